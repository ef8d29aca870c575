// Package files reads and writes small files that an operator names. One that never
// ends, or never begins, as a pipe nobody writes into, would hang the program instead
// of telling what is wrong; one that is written for half would be taken for whole.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

var (
	// ErrFolder says that there is a folder where a file was to be.
	ErrFolder = errors.New("it is a folder, not a file")
	// ErrNotRegular says that there is a pipe, a socket or a device.
	ErrNotRegular = errors.New("it is a pipe, a socket or a device, not a file")
)

// Regular returns an error unless what info tells of is a regular file.
func Regular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return ErrFolder
	case !info.Mode().IsRegular():
		return ErrNotRegular
	}
	return nil
}

// Read returns what is in the file, and what the system says of it. Errors:
// ErrFolder, ErrNotRegular, one that says that it has more than the most bytes,
// or the system's, which names the path.
func Read(path string, most int64) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is opened at once
	if err != nil {
		return nil, nil, plain(path, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil {
		err = Regular(info)
	}
	if err == nil && info.Size() > most {
		err = fmt.Errorf("it is larger than %d bytes", most)
	}
	if err != nil {
		return nil, info, err
	}
	b, err := io.ReadAll(io.LimitReader(f, most)) // it may grow meanwhile
	return b, info, err
}

// plain is the error of a socket or a device that can't even be opened in the
// words of the others.
func plain(path string, err error) error {
	info, statErr := os.Stat(path)
	if statErr != nil || Regular(info) == nil {
		return err
	}
	return Regular(info)
}

// WritePrivate writes a file that its owner alone can read. It writes a temporary
// one beside it and has move give that its name (os.Link keeps a file that is there
// already, os.Rename replaces it), so that nobody ever reads half of it.
func WritePrivate(path string, content []byte, move func(from, to string) error) error {
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, ".gatepost-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := move(temp.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes a new name in a folder durable.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
