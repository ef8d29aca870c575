package newsletter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"sync"

	"gatepost/db"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// What a logo may be.
const (
	MaxLogoBytes = 2 << 20    // of the file
	maxLogoArea  = 10_000_000 // pixels, which take 80 MB at most while they are decoded, 200 MB of a progressive JPEG
	maxLogoSide  = 600        // pixels, as it is stored
	maxScans     = 200        // of a JPEG, each of which goes over the whole picture; cameras and programs make about ten
)

// LogoError is a sentence about a file that can't be a logo.
type LogoError string

func (e LogoError) Error() string { return string(e) }

const (
	errLogoKind     = LogoError("This file is no picture that we can read. Please choose a PNG, JPEG, GIF or WebP.")
	errLogoSVG      = LogoError("This is an SVG, which can hold programs, so we don’t take it. Please export it as a PNG, 600 pixels wide or more.")
	errLogoAnimated = LogoError("This picture moves. Please choose one that stands still: many readers are disturbed by moving pictures.")
	errLogoBroken   = LogoError("This file is damaged, or its end is missing. Please export it once more.")
	errLogoHuge     = LogoError("This picture has more than 10 million pixels. Please make it smaller: 600 pixels wide are enough.")
	errLogoBytes    = LogoError("This file has more than 2 MB. Please make the picture smaller: 600 pixels wide are enough.")
)

// pictures are the kinds of files that a logo can come in.
var pictures = []struct {
	magic  string // how the file begins; a dot stands for any byte
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	moves  func(file []byte) (moves, whole bool)
}{
	{"\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode, pngMoves},
	{"\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode, jpegMoves},
	{"GIF8", gif.DecodeConfig, gif.Decode, gifMoves},
	{"RIFF....WEBP", webp.DecodeConfig, webp.Decode, webpMoves},
}

// decoding lets one logo at a time be decoded: each may take a lot of memory.
var decoding sync.Mutex

// Logo makes of a file that an admin chose a picture to be shown to readers: decoded and encoded
// anew, so that nothing is left of the file but what is seen, and no larger than is needed. Errors are
// LogoErrors. How large a picture is, is read before anything of it is decoded.
func Logo(file []byte) (db.Logo, error) {
	if len(file) > MaxLogoBytes {
		return db.Logo{}, errLogoBytes
	}
	for _, kind := range pictures {
		if !begins(file, kind.magic) {
			continue
		}
		c, err := kind.config(bytes.NewReader(file))
		if moves, whole := kind.moves(file); moves {
			return db.Logo{}, errLogoAnimated
		} else if err != nil || !whole || c.Width < 1 || c.Height < 1 {
			return db.Logo{}, errLogoBroken
		}
		if c.Width > maxLogoArea/c.Height {
			return db.Logo{}, errLogoHuge
		}
		decoding.Lock()
		defer decoding.Unlock()
		picture, err := kind.decode(bytes.NewReader(file))
		if err != nil {
			return db.Logo{}, errLogoBroken
		}
		return smaller(picture)
	}
	if bytes.Contains(bytes.ToLower(file[:min(len(file), 4096)]), []byte("<svg")) {
		return db.Logo{}, errLogoSVG
	}
	return db.Logo{}, errLogoKind
}

func begins(file []byte, magic string) bool {
	if len(file) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '.' && magic[i] != file[i] {
			return false
		}
	}
	return true
}

// smaller is a picture as it is stored.
func smaller(picture image.Image) (db.Logo, error) {
	w, h := picture.Bounds().Dx(), picture.Bounds().Dy()
	if side := max(w, h); side > maxLogoSide {
		w, h = max(1, w*maxLogoSide/side), max(1, h*maxLogoSide/side)
	}
	drawn := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.CatmullRom.Scale(drawn, drawn.Bounds(), picture, picture.Bounds(), draw.Src, nil)
	var b bytes.Buffer
	if err := png.Encode(&b, drawn); err != nil {
		return db.Logo{}, err
	}
	return db.Logo{PNG: b.Bytes(), Width: w, Height: h}, nil
}

// pngMoves reports whether a PNG has the chunk of animations. Whether it is whole is found by
// decoding it.
func pngMoves(file []byte) (moves, whole bool) {
	for rest := file[8:]; len(rest) >= 12; {
		length, kind := binary.BigEndian.Uint32(rest), string(rest[4:8])
		if kind == "acTL" {
			return true, true
		}
		if kind == "IDAT" || uint64(length)+12 > uint64(len(rest)) {
			break
		}
		rest = rest[length+12:]
	}
	return false, true
}

// jpegMoves reports that a JPEG doesn't move, and whether it has no more scans than are sensible: a
// small file can hold a hundred thousand, and keep a processor busy for minutes.
func jpegMoves(file []byte) (moves, whole bool) {
	return false, bytes.Count(file, []byte("\xff\xda")) <= maxScans
}

// webpMoves reports whether a WebP says that it is an animation, and whether it has as many
// bytes as it says.
func webpMoves(file []byte) (moves, whole bool) {
	moves = len(file) > 20 && string(file[12:16]) == "VP8X" && file[20]&2 != 0
	return moves, uint64(binary.LittleEndian.Uint32(file[4:]))+8 <= uint64(len(file))
}

// gifMoves reports whether a GIF has more than one picture, and whether it comes to its end.
// Nothing of it is decoded: a small file can hold thousands of large ones.
func gifMoves(file []byte) (moves, whole bool) {
	r := bytes.NewReader(file)
	n, err := gifPictures(r)
	return n > 1, err == nil
}

var errGIF = errors.New("this is no GIF")

// gifPictures counts the pictures of a GIF by walking its blocks.
func gifPictures(r *bytes.Reader) (n int, err error) {
	head := make([]byte, 13)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, err
	}
	if err := skip(r, colours(head[10])); err != nil {
		return 0, err
	}
	for {
		switch block, err := r.ReadByte(); {
		case err != nil:
			return n, err
		case block == ';':
			return n, nil
		case block == '!': // an extension, with its label
			err = errors.Join(skip(r, 1), skipBlocks(r))
			if err != nil {
				return n, err
			}
		case block == ',':
			n++
			described := make([]byte, 9)
			if _, err := io.ReadFull(r, described); err != nil {
				return n, err
			}
			if err := errors.Join(skip(r, colours(described[8])+1), skipBlocks(r)); err != nil {
				return n, err
			}
		default:
			return n, errGIF
		}
	}
}

// colours are how many bytes of colours follow, by the byte that says so.
func colours(packed byte) int64 {
	if packed&0x80 == 0 {
		return 0
	}
	return 3 << (packed&7 + 1)
}

func skip(r *bytes.Reader, n int64) error {
	if int64(r.Len()) < n {
		return io.ErrUnexpectedEOF
	}
	_, err := r.Seek(n, io.SeekCurrent)
	return err
}

// skipBlocks skips blocks of data, each with its length before it, up to an empty one.
func skipBlocks(r *bytes.Reader) error {
	for {
		length, err := r.ReadByte()
		if err != nil || length == 0 {
			return err
		}
		if err := skip(r, int64(length)); err != nil {
			return err
		}
	}
}
