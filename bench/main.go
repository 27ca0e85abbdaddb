// Bench measures authmw beside what people use today, on the same token and with the same checks, and prints tables.
//
//	go run ./bench                       # the tables
//	go run ./bench -markdown f -svg g    # and as files, from the numbers of this run alone
//	go run ./bench -load                 # a load test over real connections instead
//	go run ./bench -issue                # the tables of issuing and refreshing alone
//	go run ./bench -flood                # a flood of forged tokens instead, at a plugin without a master key
//
// Machines differ and are noisy, so what counts are the ratios within one run: each number is the median of several
// rounds in which all rows of a table take turns.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
)

func main() {
	log.SetFlags(0)
	testing.Init()
	issuing := flag.Bool("issue", false, "measure issuing and refreshing alone")
	markdown := flag.String("markdown", "", "write the tables to this file, as Markdown")
	svg := flag.String("svg", "", "write a chart to this file")
	rounds := flag.Int("rounds", 7, "rounds for each row")
	perRound := flag.Duration("time", 200*time.Millisecond, "time of each row in each round")
	loadTest := flag.Bool("load", false, "run the load test")
	floodTest := flag.Bool("flood", false, "run the flood of forged tokens")
	floodTime := flag.Duration("floodtime", 20*time.Second, "time of each of its scenes")
	loadTime := flag.Duration("loadtime", time.Second, "time of each of the load test's measurements")
	flag.Parse()
	if *loadTest {
		if err := load(os.Stdout, *loadTime); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *floodTest {
		for _, scene := range floodScenes {
			if err := scene.run(os.Stdout, *floodTime); err != nil {
				log.Fatal(err)
			}
		}
		return
	}
	if err := flag.Set("test.benchtime", perRound.String()); err != nil {
		log.Fatal(err)
	}

	if *issuing {
		for _, t := range measureIssuing(*rounds) {
			fmt.Println(t.text())
		}
		return
	}
	tables := measureAll(*rounds)
	for _, t := range tables {
		fmt.Println(t.text())
	}
	if *markdown != "" {
		if err := os.WriteFile(*markdown, []byte(markdownOf(tables)), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	if *svg != "" {
		if err := os.WriteFile(*svg, []byte(svgOf(tables[:4])), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// measureAll returns all tables. It is long because each table is one expression in it.
func measureAll(rounds int) []table {
	token := mint(secret, nil)
	// Claims of no meaning bring a token to a length.
	padded := func(secret []byte, length int) string {
		pad := (length - len(mint(secret, jwt.MapClaims{"pad": ""}))) * 3 / 4
		return mint(secret, jwt.MapClaims{"pad": strings.Repeat("x", max(pad, 0))})
	}
	other := []byte(strings.Repeat("another secret of the same length as the first one is.", 5)[:256])

	var lengths []benchmark
	for _, length := range []int{175, 512, 1024, 2048, 4096, 8192} {
		token := token
		if length > 175 {
			token = padded(secret, length-2)
		}
		lengths = append(lengths,
			benchmark{name: fmt.Sprintf("%d bytes", len(token)), run: repeat(verifyWith(newValidator(), token))},
			benchmark{name: fmt.Sprintf("%d bytes, the MAC alone", len(token)), run: repeat(floor(token))})
	}
	rotated := newValidator(authmw.WithPreviousSecrets(other))
	parallel := func(b *testing.B) {
		verify := verifyWith(newValidator(), token)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := verify(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	v := newValidator()
	big := padded(secret, 8190)
	garbage := "Bearer " + strings.Repeat("garbage.", 1024)
	letters := "Bearer " + strings.Repeat("A", 8192)

	tables := []table{
		measure("Verifying one token of 175 bytes", 0, "", rounds, verifiers(token)),
		measure("Middleware under net/http", 1, "auth0's insists on an issuer and an audience: its token has both.", rounds, httpMiddlewares(token)),
		measure("Middleware under Echo v4", 1, "", rounds, echoMiddlewares(token)),
		measure("Middleware under Gin", 1, "", rounds, ginMiddlewares(token)),
		measure("Refusing", 1, "", rounds, []benchmark{
			{name: "floor: the MAC alone", run: repeat(floor(token))},
			{name: "a valid token", run: repeat(check(v, "Bearer "+token))},
			{name: "no credentials", run: refused(check(v, ""))},
			{name: "a wrong signature", run: refused(check(v, "Bearer "+mint(other, nil)))},
			{name: "8 KiB: the MAC alone", run: repeat(floor(big))},
			{name: "8 KiB of garbage", run: refused(check(v, garbage))},
			{name: "8 KiB of letters", run: refused(check(v, letters))},
			{name: "8 KiB with a wrong signature", run: refused(check(v, "Bearer "+padded(other, 8190)))},
		}),
		measure("Length of the token", 0, "", rounds, lengths),
		measure("Number of routes, in one http.ServeMux", 0, "", rounds, []benchmark{
			{name: "1 route", run: routes(1, token)},
			{name: "1 route, bare", run: bareRoutes(1)},
			{name: "100 routes", run: routes(100, token)},
			{name: "100 routes, bare", run: bareRoutes(100)},
			{name: "10,000 routes", run: routes(10000, token)},
			{name: "10,000 routes, bare", run: bareRoutes(10000)},
		}),
		measure("Cores", 0, "", rounds, []benchmark{
			{name: "one core", run: parallel, procs: 1},
			{name: "two cores", run: parallel, procs: 2},
		}),
		measure("Two secrets in rotation", 0, "", rounds, []benchmark{
			{name: "a token of the current secret", run: repeat(verifyWith(rotated, token))},
			{name: "a token of the previous secret", run: repeat(verifyWith(rotated, mint(other, nil)))},
		}),
	}
	tables = append(tables, measureIssuing(rounds)...)
	return append(tables, measureHostile(min(rounds, 3))...)
}
