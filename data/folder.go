package data

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// FolderOptions says what OpenFolder brings pictures to. The zero value takes the size that all of them have, grey where
// none has colours and RGB otherwise.
type FolderOptions struct {
	Height, Width, Channels int
}

// OpenFolder reads pictures of the formats of DecodeImage from a folder with one folder per class: root/cat/0000.jpg has
// the class "cat". Classes and files are taken in alphabetical order. Names that begin with a dot and files directly in root
// are ignored; anything else that is not a picture is an error. Without a size in o, pictures of unequal size are one, too.
func OpenFolder(ctx context.Context, root string, o FolderOptions) (*Set, error) {
	if (o.Height == 0) != (o.Width == 0) {
		return nil, fmt.Errorf("data: folder %s: height %d and width %d: expected both or neither: %w", root, o.Height, o.Width, ErrInvalid)
	}
	paths, labels, classes, err := listPictures(root)
	if err != nil {
		return nil, err
	}
	if o, err = settleSize(ctx, paths, o); err != nil {
		return nil, err
	}
	if err := checkPictureSize(o.Height, o.Width, o.Channels); err != nil {
		return nil, fmt.Errorf("data: folder %s: %w", root, err)
	}
	if err := checkTotal(len(paths), o.Height, o.Width, o.Channels); err != nil {
		return nil, fmt.Errorf("data: folder %s: %w", root, err)
	}
	size := o.Height * o.Width * o.Channels
	images := Images{Height: o.Height, Width: o.Width, Channels: o.Channels, Bytes: make([]uint8, len(paths)*size)}
	reader := newPictureReader(o.Height, o.Width, o.Channels)
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("data: folder %s: stopped after %d of %d pictures: %w", root, i, len(paths), err)
		}
		if err := reader.read(images.Bytes[i*size:(i+1)*size], path); err != nil {
			return nil, err
		}
	}
	return NewClassification(filepath.Base(root), images, labels, classes)
}

// listPictures returns the files of every class folder in root, with their labels.
func listPictures(root string) (paths []string, labels []int32, classes []string, err error) {
	entries, err := os.ReadDir(root) // sorted
	if err != nil {
		return nil, nil, nil, fmt.Errorf("data: folder: %w", err)
	}
	for _, class := range entries {
		dir := filepath.Join(root, class.Name())
		if strings.HasPrefix(class.Name(), ".") {
			continue
		}
		if info, err := os.Stat(dir); err != nil { // follows links, unlike class.IsDir
			return nil, nil, nil, fmt.Errorf("data: folder %s: %w", root, err)
		} else if !info.IsDir() {
			continue
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("data: folder: %w", err)
		}
		before := len(paths)
		for _, file := range files {
			if strings.HasPrefix(file.Name(), ".") {
				continue
			}
			paths = append(paths, filepath.Join(dir, file.Name()))
			labels = append(labels, int32(len(classes)))
		}
		if len(paths) == before {
			return nil, nil, nil, fmt.Errorf("data: folder %s: class %q has no pictures: %w", root, class.Name(), ErrFormat)
		}
		classes = append(classes, class.Name())
	}
	if len(classes) == 0 {
		return nil, nil, nil, fmt.Errorf("data: folder %s has no class folders, expected pictures as in CLASS/PICTURE.png: %w", root, ErrFormat)
	}
	return paths, labels, classes, nil
}

// settleSize fills in what o leaves open, from the headers of all pictures.
func settleSize(ctx context.Context, paths []string, o FolderOptions) (FolderOptions, error) {
	if o.Height != 0 && o.Channels != 0 {
		return o, nil
	}
	anySize, grey := o.Height != 0, true
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			return o, fmt.Errorf("data: stopped after the headers of %d of %d pictures: %w", i, len(paths), err)
		}
		header, err := readPictureHeader(path)
		if err != nil {
			return o, err
		}
		grey = grey && isGrey(header)
		if anySize {
			continue
		}
		if i == 0 {
			o.Height, o.Width = header.Height, header.Width
		}
		if header.Height != o.Height || header.Width != o.Width {
			return o, fmt.Errorf("data: picture %s has %d×%d pixels, but %s has %d×%d; give a size to bring all to: %w",
				path, header.Height, header.Width, paths[0], o.Height, o.Width, ErrFormat)
		}
	}
	if o.Channels == 0 {
		o.Channels = 3
		if grey {
			o.Channels = 1
		}
	}
	return o, nil
}
