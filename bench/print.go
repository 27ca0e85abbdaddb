package main

import (
	"fmt"
	"html"
	"strings"
)

func (t table) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-44s %10s %9s %8s %8s\n", t.title, "ns", "ratio", "allocs", "bytes")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "  %-42s %10.0f %8.2f× %8d %8d\n", r.name, r.ns, t.ratio(r), r.allocs, r.bytes)
	}
	return b.String()
}

func markdownOf(tables []table) string {
	var b strings.Builder
	for _, t := range tables {
		fmt.Fprintf(&b, "### %s\n\n| | ns | ratio | allocations | bytes |\n|---|---:|---:|---:|---:|\n", t.title)
		for _, r := range t.rows {
			fmt.Fprintf(&b, "| %s | %.0f | %.2f × | %d | %d |\n", r.name, r.ns, t.ratio(r), r.allocs, r.bytes)
		}
		b.WriteString("\n")
		if t.note != "" {
			b.WriteString(t.note + "\n\n")
		}
	}
	return b.String()
}

// svgOf draws a bar for each row, with one scale for all tables.
func svgOf(tables []table) string {
	const width, label, bar, line = 760, 220, 400, 22
	longest, lines := 0.0, 0
	for _, t := range tables {
		lines += len(t.rows) + 2
		for _, r := range t.rows {
			longest = max(longest, r.ns)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, lines*line)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	y := line
	for _, t := range tables {
		fmt.Fprintf(&b, `<text x="8" y="%d" font-weight="bold" fill="#222">%s</text>`+"\n", y, html.EscapeString(t.title))
		for _, r := range t.rows {
			y += line
			colour := "#9aa5b1"
			if r.name == "authmw" {
				colour = "#1f7a4d"
			}
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#222">%s</text>`, label-8, y, html.EscapeString(r.name))
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="14" fill="%s"/>`, label, y-11, max(1, r.ns/longest*bar), colour)
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#222">%.2f µs</text>`+"\n", label+6+max(1, r.ns/longest*bar), y, r.ns/1000)
		}
		y += 2 * line
	}
	b.WriteString("</svg>\n")
	return b.String()
}
