package data

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"gorgonia.org/tensor"
)

// onePixelWebP is a lossy WebP of one pixel without residuals: VP8 predicts 128 for every plane, mid grey. It is given in
// bytes because Go has no encoder.
const onePixelWebP = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"

func flat(height, width int, c color.Color) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for p := range height * width {
		m.Set(p%width, p/width, c)
	}
	return m
}

func encode(t *testing.T, write func(io.Writer, image.Image) error, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, write(&out, m))
	return out.Bytes()
}

func encodePNG(t *testing.T, m image.Image) []byte { return encode(t, png.Encode, m) }

func TestDecodeImageFormats(t *testing.T) {
	red := flat(4, 6, color.RGBA{200, 10, 30, 255})
	paletted := image.NewPaletted(red.Bounds(), color.Palette{color.RGBA{200, 10, 30, 255}})
	webp, err := base64.StdEncoding.DecodeString(onePixelWebP)
	require.NoError(t, err)
	cases := []struct {
		name    string
		content []byte
		want    [3]float64
		within  float64 // what the format loses
	}{
		{"png", encodePNG(t, red), [3]float64{200, 10, 30}, 0},
		{"bmp", encode(t, bmp.Encode, red), [3]float64{200, 10, 30}, 0},
		{"tiff", encode(t, func(w io.Writer, m image.Image) error { return tiff.Encode(w, m, nil) }, red), [3]float64{200, 10, 30}, 0},
		{"jpeg", encode(t, func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }, red), [3]float64{200, 10, 30}, 6},
		{"gif", encode(t, func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) }, paletted), [3]float64{200, 10, 30}, 0},
		{"webp", webp, [3]float64{128, 128, 128}, 2}, // 130 where luma is read in video range
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := writeFile(t, t.TempDir(), "picture", c.content) // told by content, not by name
			for _, size := range [][2]int{{4, 6}, {8, 3}, {1, 1}} {
				rgb, err := DecodeImage(path, size[0], size[1], 3)
				require.NoError(t, err)
				require.Equal(t, tensor.Shape{1, size[0], size[1], 3}, rgb.Shape())
				pixels := rgb.Data().([]float32)
				for i, v := range pixels {
					require.InDelta(t, c.want[i%3], v, c.within)
				}
				grey, err := DecodeImage(path, size[0], size[1], 1)
				require.NoError(t, err)
				require.Equal(t, tensor.Shape{1, size[0], size[1], 1}, grey.Shape())
				for i, v := range grey.Data().([]float32) {
					require.Equal(t, float32(luma(uint8(pixels[3*i]), uint8(pixels[3*i+1]), uint8(pixels[3*i+2]))), v)
				}
			}
		})
	}
}

func TestDecodeImageOrientationAndTransparency(t *testing.T) {
	m := image.NewNRGBA(image.Rect(3, 5, 5, 6)) // one row of two, not at the origin
	m.SetNRGBA(3, 5, color.NRGBA{100, 100, 100, 255})
	m.SetNRGBA(4, 5, color.NRGBA{255, 255, 255, 0})
	path := writeFile(t, t.TempDir(), "p.png", encodePNG(t, m))
	got, err := DecodeImage(path, 1, 2, 1)
	require.NoError(t, err)
	assert.Equal(t, []float32{100, 0}, got.Data())
}

// declarePNG returns a PNG file whose header declares another size, with a checksum that fits.
func declarePNG(file []byte, height, width uint32) []byte {
	out := bytes.Clone(file)
	binary.BigEndian.PutUint32(out[16:], width)
	binary.BigEndian.PutUint32(out[20:], height)
	binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
	return out
}

func TestBadPictures(t *testing.T) {
	whole := encodePNG(t, flat(4, 4, color.White))
	damaged := bytes.Clone(whole)
	damaged[16] ^= 1 // in the header, which has a checksum
	cases := []struct {
		name    string
		content []byte
		want    error
		text    string
	}{
		{"empty", nil, ErrFormat, "expected PNG, JPEG, GIF, BMP, TIFF or WebP"},
		{"text", []byte("hello"), ErrFormat, "expected PNG, JPEG, GIF, BMP, TIFF or WebP"},
		{"truncated", whole[:len(whole)-20], ErrFormat, "unexpected EOF"},
		{"magic alone", whole[:10], ErrFormat, "unexpected EOF"},
		{"wrong checksum", damaged, ErrFormat, "checksum"},
		{"too many pixels", declarePNG(whole, 16384, 16384), ErrTooLarge, "16384×16384 pixels"},
		{"too wide", declarePNG(whole, 1, 1<<20), ErrTooLarge, "1×1048576 pixels"},
		{"more pixels than data", declarePNG(whole, 8, 4), ErrFormat, "not enough pixel data"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := writeFile(t, t.TempDir(), "a.png", c.content)
			_, err := DecodeImage(path, 4, 4, 3)
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, path)
			assert.ErrorContains(t, err, c.text)
		})
	}
	path := writeFile(t, t.TempDir(), "a.png", whole)
	for _, size := range [][3]int{{0, 1, 1}, {1, -1, 1}, {1, 1, 2}, {1, 1, 4}, {1 << 40, 1, 1}} {
		_, err := DecodeImage(path, size[0], size[1], size[2])
		require.ErrorIs(t, err, ErrInvalid, "%v", size)
	}
	_, err := DecodeImage(path, maxSide, maxSide, 1)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = DecodeImage(path+".absent", 1, 1, 1)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = DecodeImage(t.TempDir(), 1, 1, 1)
	require.ErrorIs(t, err, ErrFormat)

	tall := writeFile(t, t.TempDir(), "tall.png", encodePNG(t, image.NewGray(image.Rect(0, 0, 1, 16384))))
	_, err = DecodeImage(tall, 4, 4096, 1)
	require.ErrorIs(t, err, ErrTooLarge)
	assert.ErrorContains(t, err, "reasonable memory")
}

func FuzzPicture(f *testing.F) {
	m := flat(3, 5, color.RGBA{200, 10, 30, 255})
	for _, write := range []func(io.Writer, image.Image) error{
		png.Encode, bmp.Encode,
		func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) },
		func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) },
		func(w io.Writer, m image.Image) error { return tiff.Encode(w, m, nil) },
	} {
		var out bytes.Buffer
		require.NoError(f, write(&out, m))
		f.Add(out.Bytes())
	}
	webp, err := base64.StdEncoding.DecodeString(onePixelWebP)
	require.NoError(f, err)
	f.Add(webp)
	reader := newPictureReader(4, 4, 1)
	f.Fuzz(func(_ *testing.T, file []byte) {
		_ = reader.decode(make([]uint8, 16), bytes.NewReader(file))
	})
}

func TestOpenFolder(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root, "README", []byte("about the pictures"))
	writeFile(t, root, ".git/config", []byte("ignored"))
	writeFile(t, root, "dog/.DS_Store", []byte("ignored"))
	writeFile(t, root, "dog/1.png", encodePNG(t, flat(2, 3, color.RGBA{3, 3, 3, 255})))
	writeFile(t, root, "cat/b.png", encodePNG(t, flat(2, 3, color.RGBA{2, 2, 2, 255})))
	writeFile(t, root, "cat/a.png", encodePNG(t, flat(2, 3, color.RGBA{1, 1, 1, 255})))

	s, err := OpenFolder(t.Context(), root, FolderOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"cat", "dog"}, s.Classes())
	assert.Equal(t, []int{2, 1}, s.Counts())
	height, width, channels := s.Size()
	assert.Equal(t, []int{2, 3, 3}, []int{height, width, channels})
	for i := range 3 {
		assert.Equal(t, uint8(i+1), s.Images().Bytes[18*i])
	}

	s, err = OpenFolder(t.Context(), root, FolderOptions{Height: 4, Width: 4, Channels: 1})
	require.NoError(t, err)
	assert.Equal(t, bytes.Repeat([]byte{1}, 16), s.Images().Bytes[:16])

	grey := t.TempDir()
	writeFile(t, grey, "only/a.png", encodePNG(t, image.NewGray(image.Rect(0, 0, 2, 2))))
	s, err = OpenFolder(t.Context(), grey, FolderOptions{})
	require.NoError(t, err)
	_, _, channels = s.Size()
	assert.Equal(t, 1, channels)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, o := range []FolderOptions{{}, {Height: 2, Width: 2, Channels: 1}} {
		_, err = OpenFolder(cancelled, root, o)
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestBadFolders(t *testing.T) {
	small, large := encodePNG(t, flat(2, 2, color.White)), encodePNG(t, flat(3, 3, color.White))
	cases := []struct {
		name  string
		files map[string][]byte
		o     FolderOptions
		want  error
		text  string
	}{
		{"empty", nil, FolderOptions{}, ErrFormat, "no class folders"},
		{"pictures without classes", map[string][]byte{"a.png": small}, FolderOptions{}, ErrFormat, "no class folders"},
		{"class without pictures", map[string][]byte{"cat/a.png": small, "dog/.hidden": nil}, FolderOptions{}, ErrFormat, `class "dog" has no pictures`},
		{"unequal sizes", map[string][]byte{"cat/a.png": small, "cat/b.png": large}, FolderOptions{}, ErrFormat, "b.png has 3×3 pixels"},
		{"not a picture", map[string][]byte{"cat/a.png": small, "cat/notes.txt": []byte("x")}, FolderOptions{}, ErrFormat, "notes.txt"},
		{"not a picture, size given", map[string][]byte{"cat/notes.txt": []byte("x")}, FolderOptions{Height: 1, Width: 1, Channels: 1}, ErrFormat, "notes.txt"},
		{"folder in a class", map[string][]byte{"cat/more/a.png": small}, FolderOptions{}, ErrFormat, "not a regular file"},
		{"half a size", map[string][]byte{"cat/a.png": small}, FolderOptions{Height: 2}, ErrInvalid, "both or neither"},
		{"negative size", map[string][]byte{"cat/a.png": small}, FolderOptions{Height: -2, Width: 2}, ErrInvalid, "-2×2×3"},
		{"two channels", map[string][]byte{"cat/a.png": small}, FolderOptions{Channels: 2}, ErrInvalid, "2 channels"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range c.files {
				writeFile(t, root, name, content)
			}
			_, err := OpenFolder(t.Context(), root, c.o)
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.text)
		})
	}
	_, err := OpenFolder(t.Context(), filepath.Join(t.TempDir(), "absent"), FolderOptions{})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestCatsAndDogs takes the first pictures of each class out of the archive of real photographs.
func TestCatsAndDogs(t *testing.T) {
	const each = 20
	archive := filepath.Join("..", "..", "shared", "data", "cats-dogs-train.tar.gz")
	f, err := os.Open(archive)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is absent", archive)
	}
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	unzip, err := gzip.NewReader(f)
	require.NoError(t, err)
	root := t.TempDir()
	counts := map[string]int{}
	for files := tar.NewReader(unzip); counts["cat"] < each || counts["dog"] < each; {
		header, err := files.Next()
		require.NoError(t, err)
		class, name, _ := strings.Cut(filepath.ToSlash(header.Name), "/")
		if name == "" || counts[class] == each {
			continue
		}
		counts[class]++
		content, err := io.ReadAll(files)
		require.NoError(t, err)
		writeFile(t, root, filepath.Join(class, filepath.Base(name)), content)
	}

	splits, err := Open(t.Context(), "folder:"+root, Options{Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []string{"cat", "dog"}, splits.Train.Classes())
	assert.Equal(t, []int{14, 14}, splits.Train.Counts())
	assert.Equal(t, []int{3, 3}, splits.Test.Counts())
	height, width, channels := splits.Train.Size()
	assert.Equal(t, []int{32, 32, 3}, []int{height, width, channels})
	for _, std := range splits.Train.Normalization().Std {
		assert.Greater(t, std, float32(10), "photographs have contrast")
	}
}
