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
