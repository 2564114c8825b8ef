package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// An inkColor stands for a colour of the style sheet, so that a picture follows the theme: the
// library writes it as #0100NN, and clean turns that into the class of colour NN.
type inkColor uint8

// Colours of the style sheet.
const (
	inkText inkColor = iota
	inkGrid
	inkWrong
	inkEqual
	inkMixed
	inkRight
	inkPhase1 // and five more: phases come round again
)

func (c inkColor) RGBA() (r, g, b, a uint32) { return color.RGBA{1, 0, uint8(c), 255}.RGBA() }

const inkPhases = 6

// phaseInk is the colour of a phase, from 1.
func phaseInk(phase int32) inkColor { return inkPhase1 + inkColor(max(phase-1, 0)%inkPhases) }

// faint is a colour with an opacity.
type faint struct {
	inkColor
	alpha uint8
}

// RGBA rounds up where the library, which undoes the multiplication, rounds down.
func (c faint) RGBA() (r, g, b, a uint32) {
	a = uint32(c.alpha) * 0x101
	return (a + 254) / 255, 0, (uint32(c.inkColor)*a + 254) / 255, a
}

// newPlot returns an empty plot in the page's type.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	p.BackgroundColor = nil
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Tick.Label.Font = sans, sans
		a.Label.TextStyle.Color, a.Tick.Label.Color = inkText, inkText
		a.LineStyle.Color, a.Tick.LineStyle.Color = inkGrid, inkGrid
		a.Tick.Length = 3
		a.Padding = 4
		a.Label.Padding = 2
	}
	return p
}

// draw makes an SVG with a title and a description for those who cannot see it.
func drawSVG(p *plot.Plot, width, height vg.Length, id, title, description string) (template.HTML, error) {
	c := vgsvg.New(width, height)
	p.Draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("draw %s: %w", id, err)
	}
	body := b.String()
	from, to := strings.Index(body, "<g "), strings.LastIndex(body, "</svg>")
	if from < 0 || to < from {
		return "", fmt.Errorf("draw %s: the library wrote no picture", id)
	}
	// Title and description are made of our own words and of numbers.
	head := fmt.Sprintf(`<svg class="plot" role="img" viewBox="0 0 %.0f %.0f" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		float64(width), float64(height), id, id, id, template.HTMLEscapeString(title), id, template.HTMLEscapeString(description))
	return template.HTML(head + clean(body[from:to]) + "</svg>"), nil
}

var (
	styleAttribute = regexp.MustCompile(`\s*style="([^"]*)"`)
	inkHex         = regexp.MustCompile(`^#0100([0-9A-F]{2})$`)
	lineEnds       = regexp.MustCompile(`\s*\n\s*`)
)

// clean turns style attributes, which the page's policy forbids, into classes and attributes.
func clean(svg string) string {
	svg = styleAttribute.ReplaceAllStringFunc(svg, func(m string) string {
		style := styleAttribute.FindStringSubmatch(m)[1]
		var classes, attributes []string
		if strings.HasPrefix(style, "font-family") && !strings.Contains(style, "fill:") {
			classes = append(classes, "f00")
		}
		for declaration := range strings.SplitSeq(style, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(declaration), ":")
			value = strings.TrimSpace(value)
			switch name {
			case "fill", "stroke":
				if hex := inkHex.FindStringSubmatch(value); hex != nil {
					classes = append(classes, name[:1]+strings.ToLower(hex[1]))
				} else if value == "#000000" {
					classes = append(classes, name[:1]+"00")
				} else {
					attributes = append(attributes, fmt.Sprintf("%s=%q", name, value))
				}
			case "stroke-width", "stroke-dasharray", "stroke-opacity", "fill-opacity", "font-size":
				attributes = append(attributes, fmt.Sprintf("%s=%q", name, value))
			}
		}
		out := ""
		if len(classes) > 0 {
			out = fmt.Sprintf(` class="%s"`, strings.Join(classes, " "))
		}
		return out + " " + strings.Join(attributes, " ")
	})
	return lineEnds.ReplaceAllString(svg, "")
}
