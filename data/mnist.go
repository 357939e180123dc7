package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The four files of MNIST, which Fashion-MNIST and other sets in its mould share.
const (
	mnistTrainImages = "train-images-idx3-ubyte"
	mnistTrainLabels = "train-labels-idx1-ubyte"
	mnistTestImages  = "t10k-images-idx3-ubyte"
	mnistTestLabels  = "t10k-labels-idx1-ubyte"
)

// OpenMNIST reads the official training and test parts of MNIST (LeCun, Cortes, Burges: 60,000 and 10,000 grey images of
// 28×28) from a folder with its four IDX files, with or without ".gz".
func OpenMNIST(dir string) (train, test *Set, err error) {
	return openMNISTLike("mnist", dir, digitClasses())
}

// OpenFashionMNIST reads Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), which has MNIST's sizes and file names.
func OpenFashionMNIST(dir string) (train, test *Set, err error) {
	return openMNISTLike("fashion", dir, []string{
		"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
	})
}

func openMNISTLike(name, dir string, classes []string) (train, test *Set, err error) {
	var paths [4]string
	for i, file := range []string{mnistTrainImages, mnistTrainLabels, mnistTestImages, mnistTestLabels} {
		if paths[i], err = findIDX(dir, file); err != nil {
			return nil, nil, fmt.Errorf("data: %s in %s: %w", name, dir, err)
		}
	}
	if train, err = OpenIDX(name+"/train", paths[0], paths[1], classes); err != nil {
		return nil, nil, err
	}
	if test, err = OpenIDX(name+"/test", paths[2], paths[3], classes); err != nil {
		return nil, nil, err
	}
	if train.images.Height != test.images.Height || train.images.Width != test.images.Width {
		return nil, nil, fmt.Errorf("data: %s in %s: training images are %s, test images %s: %w",
			name, dir, train.images.sizeString(), test.images.sizeString(), ErrFormat)
	}
	return train, test, nil
}

// findIDX returns the path of an IDX file in dir under the spellings that are about: plain or gzip, and with a dot where
// some archives have one.
func findIDX(dir, file string) (string, error) {
	dotted := strings.Replace(file, "-idx", ".idx", 1)
	for _, name := range []string{file, file + ".gz", dotted, dotted + ".gz"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("neither %s nor %s.gz is there: %w", file, file, fs.ErrNotExist)
}

// CacheDir returns the folder where Fetch keeps a set, which need not exist: the folder named by the environment variable
// FOVEA_CACHE, or "fovea" in the user's cache folder, and in it a folder named after the set.
func CacheDir(name string) (string, error) {
	root := os.Getenv("FOVEA_CACHE")
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("data: no cache folder, set FOVEA_CACHE: %w", err)
		}
		root = filepath.Join(user, "fovea")
	}
	return filepath.Join(root, name), nil
}
