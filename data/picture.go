package data

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"  // decoder, chosen by content, as the others below
	_ "image/jpeg" // decoder
	_ "image/png"  // decoder
	"io"

	_ "golang.org/x/image/bmp" // decoder
	"golang.org/x/image/draw"
	_ "golang.org/x/image/tiff" // decoder
	_ "golang.org/x/image/webp" // decoder
	"gorgonia.org/tensor"
)

// maxPixels bounds a picture before it is decoded, because a file of a few bytes can declare gigabytes.
const maxPixels = 64 << 20

// maxResample bounds the columns of the result times the rows of the source, for each of which the resampler takes 32 bytes.
const maxResample = 16 << 20

// DecodeImage reads a picture (PNG, JPEG, GIF, BMP, TIFF or WebP, told by content) as a batch of one, [1, height, width,
// channels] float32 with values 0..255, not normalised. It is resampled as Images.Resize does where its size differs, and
// becomes grey (Rec. 601) for 1 channel, RGB for 3. Transparent parts are black; of an animation the first frame is taken.
func DecodeImage(path string, height, width, channels int) (*tensor.Dense, error) {
	if err := checkPictureSize(height, width, channels); err != nil {
		return nil, fmt.Errorf("data: picture %s: %w", path, err)
	}
	pixels := make([]uint8, height*width*channels)
	if err := newPictureReader(height, width, channels).read(pixels, path); err != nil {
		return nil, err
	}
	values := make([]float32, len(pixels))
	for i, v := range pixels {
		values[i] = float32(v)
	}
	return tensor.New(tensor.WithShape(1, height, width, channels), tensor.WithBacking(values)), nil
}

// checkPictureSize reports dimensions that pictures cannot be decoded to.
func checkPictureSize(height, width, channels int) error {
	if err := checkSize(height, width, channels); err != nil {
		return err
	}
	if channels != 1 && channels != 3 {
		return fmt.Errorf("pictures of %d channels, expected 1 (grey) or 3 (RGB): %w", channels, ErrInvalid)
	}
	if height*width > maxPixels {
		return fmt.Errorf("pictures of %d×%d, expected at most %d pixels: %w", height, width, maxPixels, ErrTooLarge)
	}
	return nil
}

// pictureReader decodes pictures to bytes of one size.
type pictureReader struct {
	height, width, channels int
	rgba                    *image.RGBA // the picture resampled
}

func newPictureReader(height, width, channels int) *pictureReader {
	return &pictureReader{height: height, width: width, channels: channels, rgba: image.NewRGBA(image.Rect(0, 0, width, height))}
}

// read decodes the picture at path to dst, which holds height·width·channels bytes.
func (r *pictureReader) read(dst []uint8, path string) error {
	f, _, err := openRegular(path)
	if err != nil {
		return fmt.Errorf("data: picture: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := r.decode(dst, f); err != nil {
		return fmt.Errorf("data: picture %s: %w", path, err)
	}
	return nil
}

func (r *pictureReader) decode(dst []uint8, f io.ReadSeeker) error {
	header, err := pictureHeader(f)
	if err != nil {
		return err
	}
	resample := r.height != header.Height || r.width != header.Width
	if resample && r.width*header.Height > maxResample {
		return fmt.Errorf("%d×%d pixels cannot be resampled to %d×%d in reasonable memory: %w",
			header.Height, header.Width, r.height, r.width, ErrTooLarge)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	picture, _, err := image.Decode(f)
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrFormat)
	}
	bounds := picture.Bounds()
	if bounds.Dx() != header.Width || bounds.Dy() != header.Height {
		return fmt.Errorf("the header declares %d×%d pixels, but there are %d×%d: %w",
			header.Height, header.Width, bounds.Dy(), bounds.Dx(), ErrFormat)
	}
	if resample {
		draw.BiLinear.Scale(r.rgba, r.rgba.Rect, picture, bounds, draw.Src, nil)
	} else {
		draw.Draw(r.rgba, r.rgba.Rect, picture, bounds.Min, draw.Src)
	}
	for p := range r.height * r.width {
		rgb := r.rgba.Pix[4*p : 4*p+3]
		if r.channels == 1 {
			dst[p] = luma(rgb[0], rgb[1], rgb[2])
		} else {
			copy(dst[3*p:3*p+3], rgb)
		}
	}
	return nil
}

// readPictureHeader reads and checks the header of the picture at path.
func readPictureHeader(path string) (image.Config, error) {
	f, _, err := openRegular(path)
	if err != nil {
		return image.Config{}, fmt.Errorf("data: picture: %w", err)
	}
	defer func() { _ = f.Close() }()
	header, err := pictureHeader(f)
	if err != nil {
		return image.Config{}, fmt.Errorf("data: picture %s: %w", path, err)
	}
	return header, nil
}

// pictureHeader reads the header of a picture and refuses one that is too large to decode.
func pictureHeader(f io.Reader) (image.Config, error) {
	header, _, err := image.DecodeConfig(f)
	if errors.Is(err, image.ErrFormat) {
		return header, fmt.Errorf("expected PNG, JPEG, GIF, BMP, TIFF or WebP: %w", ErrFormat)
	}
	if err != nil {
		return header, fmt.Errorf("%w: %w", err, ErrFormat)
	}
	if min(header.Width, header.Height) < 1 {
		return header, fmt.Errorf("%d×%d pixels: %w", header.Height, header.Width, ErrFormat)
	}
	if max(header.Width, header.Height) > maxSide || header.Width*header.Height > maxPixels {
		return header, fmt.Errorf("%d×%d pixels, expected sides up to %d and at most %d pixels: %w",
			header.Height, header.Width, maxSide, maxPixels, ErrTooLarge)
	}
	return header, nil
}

// isGrey tells whether a picture with this header has no colours.
func isGrey(header image.Config) bool {
	return header.ColorModel == color.GrayModel || header.ColorModel == color.Gray16Model
}
