package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// questions are asked on a terminal or, without one, answered line by line.
type questions struct {
	fd       int
	terminal *term.Terminal // nil if there is none
	keyboard *keyboard
	out      io.Writer
	lines    *bufio.Reader
}

// keyboard is what is typed, and whether Ctrl-C was among it: for package term, that is the same as the end of the input.
type keyboard struct {
	*os.File
	interrupted bool
}

const ctrlC = 3

func (k *keyboard) Read(p []byte) (int, error) {
	n, err := k.File.Read(p)
	k.interrupted = k.interrupted || bytes.IndexByte(p[:n], ctrlC) >= 0
	return n, err
}

func (c *cli) questions() *questions {
	if file, ok := c.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		q := &questions{fd: int(file.Fd()), keyboard: &keyboard{File: file}, out: c.err}
		q.terminal = term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{q.keyboard, c.err}, "")
		return q
	}
	return &questions{lines: bufio.NewReader(c.in)}
}

// line asks for something that may be seen.
func (q *questions) line(question string) (string, error) {
	if q.terminal == nil {
		return "", errors.New("without a terminal, the address has to be given with --email")
	}
	return q.ask(question, func() (string, error) {
		q.terminal.SetPrompt(question)
		return q.terminal.ReadLine()
	})
}

// secret asks for something that must not be seen.
func (q *questions) secret(question string) (string, error) {
	return q.ask(question, func() (string, error) {
		if q.terminal != nil {
			return q.terminal.ReadPassword(question)
		}
		line, err := q.lines.ReadString('\n')
		if err == io.EOF && line != "" {
			err = nil
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
	})
}

// interrupted is the error of a question that a signal put an end to. Ctrl-C is one, though a raw terminal sends none.
type interrupted struct{ by syscall.Signal }

func (i interrupted) Error() string { return i.by.String() }

// ask reads an answer. The terminal shows nothing by itself from before the question on, and is as it was when ask returns.
func (q *questions) ask(question string, read func() (string, error)) (answer string, err error) {
	if q.terminal == nil {
		answer, err = read()
	} else {
		answer, err = q.onTerminal(read)
	}
	if err != nil && q.terminal != nil {
		_, _ = fmt.Fprintln(q.out) // the question is still on the line
	}
	var signal interrupted
	if errors.As(err, &signal) {
		return "", err
	}
	if err == nil && answer == "" {
		err = errors.New("the line is empty")
	}
	if err != nil {
		return "", fmt.Errorf("no answer to %q: %w", strings.TrimSuffix(question, ": "), err)
	}
	return answer, nil
}

func (q *questions) onTerminal(read func() (string, error)) (string, error) {
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	state, err := term.MakeRaw(q.fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(q.fd, state) }()
	type result struct {
		answer string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		answer, err := read()
		if errors.Is(err, term.ErrPasteIndicator) { // pasted, which is as good as typed
			err = nil
		}
		if err != nil && q.keyboard.interrupted {
			err = interrupted{syscall.SIGINT}
		}
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		return r.answer, r.err
	case s := <-signals: // the program ends, and the read with it
		if s == syscall.SIGQUIT { // Go would answer it by printing every goroutine
			s = syscall.SIGTERM
		}
		return "", interrupted{s.(syscall.Signal)}
	}
}
