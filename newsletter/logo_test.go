package newsletter

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"
)

// pictureOf is a picture of a size, in one colour.
func pictureOf(w, h int) *image.Paletted {
	p := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.White, color.RGBA{200, 30, 40, 255}})
	for i := range p.Pix {
		p.Pix[i] = 1
	}
	return p
}

func encoded(t *testing.T, encode func(b *bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hugePNG says that it has 20,000 × 20,000 pixels, and has none.
func hugePNG() []byte {
	head := []byte("IHDR\x00\x00\x4e\x20\x00\x00\x4e\x20\x08\x02\x00\x00\x00")
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}

// smallWebP is one pixel of a WebP without loss.
const smallWebP = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="

func TestLogoRefused(t *testing.T) {
	aPNG := encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, pictureOf(40, 30)) })
	aJPEG := encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, pictureOf(40, 30), nil) })
	aGIF := encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, pictureOf(40, 30), nil) })
	film := encoded(t, func(b *bytes.Buffer) error {
		return gif.EncodeAll(b, &gif.GIF{Image: []*image.Paletted{pictureOf(40, 30), pictureOf(40, 30)}, Delay: []int{1, 1}})
	})
	still, err := base64.StdEncoding.DecodeString(smallWebP)
	if err != nil {
		t.Fatal(err)
	}
	animated := append([]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00"), 0, 0, 0, 0, 0, 0)
	apng := bytes.Replace(aPNG, []byte("IDAT"), []byte("acTL"), 1)
	for name, c := range map[string]struct {
		file []byte
		want LogoError
	}{
		"nothing": {nil, errLogoKind}, "text": {[]byte("GIF is what I am"), errLogoKind},
		"SVG":  {[]byte(`<?xml version="1.0"?><SVG xmlns="http://www.w3.org/2000/svg"/>`), errLogoSVG},
		"huge": {hugePNG(), errLogoHuge}, "heavy": {make([]byte, MaxLogoBytes+1), errLogoBytes},
		"truncated PNG": {aPNG[:len(aPNG)-8], errLogoBroken}, "truncated JPEG": {aJPEG[:len(aJPEG)*2/3], errLogoBroken}, "truncated GIF": {aGIF[:len(aGIF)-1], errLogoBroken},
		"truncated WebP": {still[:len(still)-4], errLogoBroken}, "head of a PNG": {aPNG[:9], errLogoBroken}, "head of a GIF": {aGIF[:5], errLogoBroken}, "head of a WebP": {still[:12], errLogoBroken},
		"animated GIF": {film, errLogoAnimated}, "animated PNG": {apng, errLogoAnimated}, "animated WebP": {animated, errLogoAnimated},
	} {
		if _, err := Logo(c.file); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A logo is stored as a PNG that is no larger than needed, without what else was in its file.
func TestLogo(t *testing.T) {
	still, _ := base64.StdEncoding.DecodeString(smallWebP)
	for name, c := range map[string]struct {
		file []byte
		w, h int
	}{
		"PNG":                     {encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, pictureOf(1200, 300)) }), 600, 150},
		"PNG with more behind it": {append(encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, pictureOf(4, 3)) }), "<script>"...), 4, 3},
		"JPEG":                    {encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, pictureOf(40, 1300), nil) }), 18, 600},
		"GIF":                     {encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, pictureOf(40, 30), nil) }), 40, 30},
		"WebP":                    {still, 1, 1},
		"thin":                    {encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, pictureOf(5000, 1)) }), 600, 1},
	} {
		l, err := Logo(c.file)
		if err != nil || l.Width != c.w || l.Height != c.h || bytes.Contains(l.PNG, []byte("<script>")) {
			t.Errorf("%s: %d × %d, %v", name, l.Width, l.Height, err)
			continue
		}
		got, err := png.Decode(bytes.NewReader(l.PNG))
		if err != nil || got.Bounds().Dx() != c.w || got.Bounds().Dy() != c.h {
			t.Errorf("%s can't be read again: %v", name, err)
		}
	}
}

// Each scan of a JPEG goes over the whole picture, so a few are taken, and no thousands.
func TestScansOfLogos(t *testing.T) {
	file := encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, pictureOf(8, 8), nil) })
	scan := bytes.Index(file, []byte("\xff\xda"))
	for times, want := range map[int]error{20: nil, maxScans + 1: errLogoBroken} {
		many := append(bytes.Clone(file[:scan]), bytes.Repeat(file[scan:len(file)-2], times)...)
		if _, err := Logo(append(many, "\xff\xd9"...)); err != want {
			t.Errorf("%d scans: %v", times, err)
		}
	}
}

// Whatever a file is, it is either a logo or refused with a sentence.
func FuzzLogo(f *testing.F) {
	f.Add([]byte("GIF89a"))
	f.Add(hugePNG())
	f.Fuzz(func(t *testing.T, file []byte) {
		if l, err := Logo(file); err != nil {
			if _, ok := err.(LogoError); !ok {
				t.Errorf("%v", err)
			}
		} else if l.Width > maxLogoSide || l.Height > maxLogoSide || len(l.PNG) == 0 {
			t.Errorf("%d × %d", l.Width, l.Height)
		}
	})
}
