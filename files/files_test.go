package files_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gatepost/files"
)

func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	file, fifo, link, socket := filepath.Join(dir, "file"), filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "socket")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if err := errors.Join(os.WriteFile(file, []byte("12345"), 0o600), syscall.Mkfifo(fifo, 0o600), os.Symlink(file, link), os.Symlink(fifo, link+"-fifo")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{file: nil, link: nil, dir: files.ErrFolder, fifo: files.ErrNotRegular, link + "-fifo": files.ErrNotRegular,
		socket: files.ErrNotRegular, "/dev/null": files.ErrNotRegular, "/dev/zero": files.ErrNotRegular, filepath.Join(dir, "none"): fs.ErrNotExist} {
		b, _, err := files.Read(path, 5)
		if !errors.Is(err, want) || err == nil && string(b) != "12345" {
			t.Errorf("%s: %q, %v, want %v", path, b, err, want)
		}
	}
	if _, _, err := files.Read(file, 4); err == nil || err.Error() != "it is larger than 4 bytes" {
		t.Errorf("a large one: %v", err)
	}
}

// A private file is there whole, for its owner alone, and nothing is left beside it.
func TestWritePrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	write := func(content string, move func(from, to string) error, want error, left string) {
		t.Helper()
		if err := files.WritePrivate(path, []byte(content), move); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", content, err, want)
		}
		b, info, err := files.Read(path, 100)
		if err != nil || string(b) != left || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: there is %q, %v, %v", content, b, info.Mode(), err)
		}
	}
	write("first", os.Link, nil, "first")
	write("second", os.Link, fs.ErrExist, "first")
	write("third", os.Rename, nil, "third")
	if all, err := os.ReadDir(dir); len(all) != 1 || err != nil {
		t.Errorf("left are %v, %v", all, err)
	}
	if err := files.WritePrivate(filepath.Join(path, "below"), nil, os.Link); err == nil {
		t.Error("written below a file")
	}
}
