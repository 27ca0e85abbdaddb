package main

import (
	"log"
	"runtime"
	"slices"
	"testing"
)

// benchmark is a row to measure.
type benchmark struct {
	name  string
	run   func(*testing.B)
	procs int // GOMAXPROCS, if not that of the process
}

// table is a group of rows, of which one is what the others are compared with.
type table struct {
	title string
	base  int // the row whose time is 1
	note  string
	rows  []row
}

type row struct {
	name   string
	ns     float64
	allocs int64
	bytes  int64
}

func (t table) ratio(r row) float64 { return r.ns / t.rows[t.base].ns }

func measure(title string, base int, note string, rounds int, benchmarks []benchmark) table {
	t := table{title: title, base: base, note: note, rows: make([]row, len(benchmarks))}
	times := make([][]float64, len(benchmarks))
	for range rounds {
		for i, b := range benchmarks {
			procs := runtime.GOMAXPROCS(b.procs) // which leaves it as it is for 0
			result := testing.Benchmark(b.run)
			runtime.GOMAXPROCS(procs)
			if result.N == 0 {
				log.Fatalf("bench: %s, %s failed", title, b.name)
			}
			times[i] = append(times[i], float64(result.T.Nanoseconds())/float64(result.N))
			t.rows[i] = row{name: b.name, allocs: result.AllocsPerOp(), bytes: result.AllocedBytesPerOp()}
		}
	}
	for i := range t.rows {
		t.rows[i].ns = median(times[i])
	}
	return t
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
