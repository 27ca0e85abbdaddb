package main

import (
	"encoding/xml"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func BenchmarkVerify(b *testing.B)  { runAll(b, verifiers(mint(secret, nil))) }
func BenchmarkNetHTTP(b *testing.B) { runAll(b, httpMiddlewares(mint(secret, nil))) }
func BenchmarkEcho(b *testing.B)    { runAll(b, echoMiddlewares(mint(secret, nil))) }
func BenchmarkGin(b *testing.B)     { runAll(b, ginMiddlewares(mint(secret, nil))) }

func runAll(b *testing.B, benchmarks []benchmark) {
	for _, benchmark := range benchmarks {
		b.Run(benchmark.name, benchmark.run)
	}
}

// TestEveryRowRuns runs each row once: every token is accepted, or refused, as its row says, by every library.
func TestEveryRowRuns(t *testing.T) {
	before := flag.Lookup("test.benchtime").Value.String()
	require.NoError(t, flag.Set("test.benchtime", "1x"))
	t.Cleanup(func() { require.NoError(t, flag.Set("test.benchtime", before)) })

	tables := measureAll(1)
	markdown := markdownOf(tables)
	for _, table := range tables {
		require.Contains(t, markdown, "### "+table.title)
		require.Contains(t, table.text(), table.rows[0].name)
	}
	var svg struct {
		Text []string `xml:"text"`
	}
	require.NoError(t, xml.Unmarshal([]byte(svgOf(tables[:4])), &svg))
	require.Contains(t, strings.Join(svg.Text, "\n"), "golang-jwt")
}

func TestFlood(t *testing.T) {
	var b strings.Builder
	require.NoError(t, floodScene{name: "a test", latency: time.Millisecond, forged: 100, users: 10}.run(&b, 200*time.Millisecond))
	require.Regexp(t, `known +\d+ requests, 0.00 % failed`, b.String())
	require.Regexp(t, `new users +\d+ requests, `, b.String())
	require.Regexp(t, `after +\d+ goroutines, `, b.String())
}

func TestLoad(t *testing.T) {
	var b strings.Builder
	require.NoError(t, load(&b, 20*time.Millisecond))
	require.Contains(t, b.String(), "Required, mixed tokens keeps")
	require.Regexp(t, `Required, mixed tokens .* map\[200:\d+ 401:\d+\]`, b.String())
}
