package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gatepost/files"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// ErrFixedKeys says that the keys come from the environment, so that they can't
// be rotated from here.
var ErrFixedKeys = errors.New("the keys come from the environment: rotate them where they are kept")

// keySource is where the keys are kept.
type keySource interface {
	name() string
	read() (*keyset.Handle, error) // fs.ErrNotExist when there are none
	create() (*keyset.Handle, error)
	write(*keyset.Handle) error
}

// maxKeyset bounds a key file, in bytes.
const maxKeyset = 1 << 20

// keyFile keeps the keys in a file at this path.
type keyFile string

func (f keyFile) name() string { return "the key file " + string(f) }

func (f keyFile) read() (*keyset.Handle, error) {
	b, info, err := files.Read(string(f), maxKeyset)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read it (mode %04o): run chmod 600 on it", info.Mode().Perm())
	}
	return parseKeyset(b)
}

func parseKeyset(b []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, errors.New("it holds no valid keyset") // the cause could quote key material
	}
	return handle, nil
}

// create makes the file. When another process was first, its file is the one.
func (f keyFile) create() (*keyset.Handle, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := f.put(handle, os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return f.read()
}

// write replaces the file, whole; a link to it stays one.
func (f keyFile) write(handle *keyset.Handle) error {
	path, err := filepath.EvalSymlinks(string(f))
	if err != nil {
		return err
	}
	return keyFile(path).put(handle, os.Rename)
}

// put writes the keys, and has move give the file its name.
func (f keyFile) put(handle *keyset.Handle, move func(from, to string) error) error {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(string(f)), 0o700); err != nil {
		return err
	}
	return files.WritePrivate(string(f), b.Bytes(), move)
}

// keyText is the keys themselves.
type keyText string

func (keyText) name() string { return "GATEPOST_KEYSET" }

func (t keyText) read() (*keyset.Handle, error) { return parseKeyset([]byte(t)) }

func (keyText) create() (*keyset.Handle, error) { return nil, ErrFixedKeys }

func (keyText) write(*keyset.Handle) error { return ErrFixedKeys }
