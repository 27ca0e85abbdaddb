// Package hostile makes JSON that is expensive to read, for tests and benchmarks.
package hostile

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A Payload is the payload of a token, one JSON object.
type Payload struct {
	Name string
	JSON string
	// Others are more of the same kind: a processor learns to predict the branches that one payload takes.
	Others []string
}

// Payloads returns payloads of at most size bytes, each filled up with one shape. They are access tokens of the user
// wGH0 that never expire, as far as one can read them: some break a limit. It is long because it is a
// table.
func Payloads(size int) []Payload {
	const claims = `{"token_type":"access","sub":"wGH0","exp":253402300799`
	payload := func(name, before, between, after string, element func(i int) string) Payload {
		var b strings.Builder
		b.WriteString(claims + before)
		for i := 0; ; i++ {
			next := element(i)
			if i > 0 {
				next = between + next
			}
			if b.Len()+len(next)+len(after)+1 > size {
				break
			}
			b.WriteString(next)
		}
		b.WriteString(after + "}")
		return Payload{Name: name, JSON: b.String()}
	}
	// random picks elements at random, the same in every run.
	random := func(name, before, between, after string, elements ...string) Payload {
		r := rand.New(rand.NewPCG(uint64(size), uint64(len(name))))
		pick := func(int) string { return elements[r.IntN(len(elements))] }
		p := payload(name, before, between, after, pick)
		for range 15 {
			p.Others = append(p.Others, payload(name, before, between, after, pick).JSON)
		}
		return p
	}
	repeated := func(text string) func(int) string { return func(int) string { return text } }
	array := func(name, element string) Payload { return payload(name, `,"x":[`, ",", "]", repeated(element)) }
	text := func(name, part string) Payload { return payload(name, `,"x":"`, "", `"`, repeated(part)) }
	// all of them at once, which adds up: names that take long to compare and to look up, and then short numbers.
	combined := func(name, member, number string) Payload {
		var b strings.Builder
		for i := range 96 {
			fmt.Fprintf(&b, `,"`+member+`":0`, i)
		}
		return payload(name, b.String()+`,"x":[`, ",", "]", repeated(number))
	}
	members := func(name string, member func(i int) string) Payload { return payload(name, ",", ",", "", member) }

	return []Payload{
		array("numbers next to zero", "9e-309"),
		array("numbers between two floats", "17976931348623158079372e286"),
		array("numbers with a long exponent", "9e-9999999999999999999"),
		array("digits", "0"),
		array("numbers with every part", "-1.5e+7"),
		payload("a long whole number", `,"x":1`, "", "", repeated("7")),
		payload("a long fraction", `,"x":0.`, "", "1", repeated("0")),
		payload("a long exponent", `,"x":1e-`, "", "", repeated("0")),
		payload("a long exp", ".", "", "1", repeated("0")),
		payload("a long nbf", `,"nbf":1.`, "", "1", repeated("0")),
		payload("a long iat", `,"iat":1.`, "", "1", repeated("0")),
		array("empty strings", `""`),
		array("escaped strings", `"\n"`),
		array("surrogate pairs", `"\ud83d\ude00"`),
		array("empty objects", "{}"),
		array("empty arrays", "[]"),
		array("nested arrays", "[[[[[[[[[[[[[[]]]]]]]]]]]]]]"),
		array("literals", "true"),
		array("white space", "   \t\r\n   0"),
		array("objects of one member", `{"":0}`),
		array("objects of one escaped member", `{"\n":0}`),
		text("a long string", "x"),
		text("a string of escapes", `\n`),
		text("a string of hexadecimal escapes", `\u0041`),
		text("a string of other alphabets", "é"),
		members("short members", func(i int) string { return fmt.Sprintf(`"%x":0`, i) }),
		members("members of one length", func(i int) string { return fmt.Sprintf(`"%049d":0`, i) }),
		members("escaped members", func(i int) string { return fmt.Sprintf(`"\u0041%x":0`, i) }),
		members("members almost named as claims", func(i int) string { return fmt.Sprintf(`"ROOT_TOKEN_I%x":0`, i) }),
		payload("members of a nested object", `,"x":{`, ",", "}", func(i int) string { return fmt.Sprintf(`"%049d":0`, i) }),
		payload("scopes", `,"scopes":[`, ",", "]", repeated(`""`)),
		payload("escaped scopes", `,"scopes":[`, ",", "]", repeated(`"\n"`)),
		payload("a scope of escapes", `,"scopes":["`, "", `"]`, repeated(`\n`)),
		combined("escaped members and numbers", "\ufffd\\n\\n%02x", "1E1"),
		combined("members and digits", "%024d", "0"),
		combined("members and escaped strings", "%024d", `"\n"`),
		payload("audiences", `,"aud":[`, ",", "]", repeated(`"\n"`)),
		random("a client ID of random escapes", `,"client_id":"`, "", `"`, `\n`, `\"`, `\\`, `\/`, `\b`, `\f`, `\r`, `\t`, "x", "y"),
		random("a scope of random escapes", `,"scopes":["`, "", `"]`, `\n`, `\"`, `\u0041`, `\u20ac`, "é", "x", "y"),
		random("random values", `,"x":[`, ",", "]", "0", "-1", "1E1", "9e-309", `""`, `"\n"`, "[]", "{}", "true", "null", "0.5"),
		random("random white space", `,"x":[`, ",", "]", "0", " 0", "0\n", "\t0", "\r\n0 "),
		payload("a client ID of escapes", `,"client_id":"`, "", `"`, repeated(`\n`)),
	}
}
