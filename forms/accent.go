package forms

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Colour is one of a page, without transparency.
type Colour struct{ R, G, B uint8 }

// ParseColour reads #rrggbb, in whatever case, and reports whether it is that.
func ParseColour(s string) (c Colour, ok bool) {
	hex, ok := strings.CutPrefix(s, "#")
	if !ok || len(hex) != 6 || strings.Trim(strings.ToLower(hex), "0123456789abcdef") != "" {
		return Colour{}, false
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	return Colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, err == nil
}

// String is #rrggbb in lower case.
func (c Colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// luminance is how light a colour is, from 0 to 1, as WCAG computes it.
func (c Colour) luminance() float64 {
	linear := func(b uint8) float64 {
		v := float64(b) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// Contrast is that of two colours, from 1 to 21, as WCAG computes it.
func Contrast(a, b Colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// toward is c, moved to another colour by a part from 0 to 1.
func (c Colour) toward(to Colour, part float64) Colour {
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*part)) }
	return Colour{mix(c.R, to.R), mix(c.G, to.G), mix(c.B, to.B)}
}

// readable is what text needs, by WCAG 2.2 AA.
const readable = 4.5

var (
	black = Colour{0, 0, 0}
	white = Colour{255, 255, 255}
)

// Palette is what a page makes of an accent colour, so that everything in it can be read.
type Palette struct {
	Accent Colour // the ground of buttons
	On     Colour // text on it: black or white
	Strong Colour // the ground of the button that is pointed at
	Text   Colour // links and edges, on the page's own grounds
}

// PaletteOn makes a palette of an accent colour for a page with these grounds, which are all
// light or all dark.
func PaletteOn(accent Colour, grounds ...Colour) Palette {
	p := Palette{Accent: accent, On: white, Strong: accent.toward(black, .18)}
	if Contrast(accent, black) > Contrast(accent, white) {
		p.On, p.Strong = black, accent.toward(white, .25)
	}
	away := black
	if grounds[0].luminance() < .18 {
		away = white
	}
	for step := 0; step <= 20; step++ {
		p.Text = accent.toward(away, float64(step)/20)
		if p.Text.readableOn(grounds) {
			break
		}
	}
	return p
}

func (c Colour) readableOn(grounds []Colour) bool {
	for _, g := range grounds {
		if Contrast(c, g) < readable {
			return false
		}
	}
	return true
}

// The grounds of the public page: those of static/files/signup.css, which a test compares.
var (
	LightGrounds = []Colour{{255, 255, 255}, {246, 246, 243}}
	DarkGrounds  = []Colour{{24, 29, 26}, {16, 20, 18}}
)

// Stylesheet sets the colours of the public page for an accent colour.
func Stylesheet(accent Colour) string {
	light, dark := PaletteOn(accent, LightGrounds...), PaletteOn(accent, DarkGrounds...)
	return ":root{" + light.css() + "}\n@media (prefers-color-scheme:dark){.device{" + dark.css() + "}}\n"
}

func (p Palette) css() string {
	return fmt.Sprintf("--accent:%s;--on-accent:%s;--strong:%s;--accent-text:%s", p.Accent, p.On, p.Strong, p.Text)
}
