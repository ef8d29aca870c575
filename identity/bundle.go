package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"gatepost/files"

	"filippo.io/age"
)

// Errors of ReadBundle.
var (
	// ErrBundleKey says that a file was sealed to another passphrase or key.
	ErrBundleKey = errors.New("the file was sealed to another passphrase or key")
	// ErrBundleFile says that a file isn't what WriteFile wrote.
	ErrBundleFile = errors.New("it is no file of exported identities, or it was cut off or changed")
)

// VersionError says that a bundle was written by a Gatepost that is newer.
type VersionError struct{ Version int }

// Error says so.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the file was written by a newer Gatepost (version %d of the format; this one reads %d)", e.Version, bundleVersion)
}

// maxBundle bounds the size of a file, which is read into memory as a whole, several
// times over: some 200,000 identities.
const maxBundle = 256 << 20

// BundleSizeError says that a bundle is too large for one file.
type BundleSizeError struct{ Identities int }

// Error says so.
func (e *BundleSizeError) Error() string {
	return fmt.Sprintf("%d identities are too many for one file: select fewer, as those of a tenant or a service", e.Identities)
}

// WriteFile seals the bundle to a passphrase or to keys, in the format of age
// (https://age-encryption.org/v1), and writes it to a file of mode 0600, whole or
// not at all. A file that is there is left alone, which is fs.ErrExist, unless
// replace says otherwise. *BundleSizeError: it is too large.
func (b Bundle) WriteFile(path string, replace bool, to ...age.Recipient) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	if len(text) > maxBundle {
		return &BundleSizeError{len(b.Identities)}
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to...)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	move := os.Link
	if replace {
		move = os.Rename
	}
	return files.WritePrivate(path, sealed.Bytes(), move)
}

// ReadBundle opens a file that WriteFile wrote. Errors: ErrBundleKey,
// ErrBundleFile, *VersionError, or that of reading the file.
func ReadBundle(path string, with ...age.Identity) (b Bundle, err error) {
	sealed, _, err := files.Read(path, maxBundle+maxBundle/64) // with what sealing adds
	if err != nil {
		return b, err
	}
	text, err := unseal(bytes.NewReader(sealed), limited(with))
	if err != nil {
		return b, err
	}
	var head struct {
		Format  string
		Version int
	}
	switch err := json.Unmarshal(text, &head); {
	case err != nil, head.Format != bundleFormat, head.Version < 1:
		return b, ErrBundleFile
	case head.Version > bundleVersion:
		return b, &VersionError{head.Version}
	}
	if json.Unmarshal(text, &b) != nil { // the cause could quote a token
		return Bundle{}, ErrBundleFile
	}
	return b, nil
}

// unseal returns what is sealed in r, to its end, so that all of it is proven to
// be as it was written.
func unseal(r io.Reader, with []age.Identity) ([]byte, error) {
	var other *age.NoIdentityMatchError
	plain, err := age.Decrypt(r, with...)
	if err == nil {
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(plain, maxBundle)); err == nil {
			return text, nil
		}
	}
	if errors.As(err, &other) {
		return nil, ErrBundleKey
	}
	return nil, ErrBundleFile
}

// maxWork is how hard a passphrase may be made to try, as a power of two: what we
// and age write, which takes 256 MB. The file says how hard, whoever made it, and
// age itself would go to 4 GB.
const maxWork = 18

// limited returns the identities, none of which works harder.
func limited(with []age.Identity) []age.Identity {
	for _, i := range with {
		if s, ok := i.(*age.ScryptIdentity); ok {
			s.SetMaxWorkFactor(maxWork)
		}
	}
	return with
}
