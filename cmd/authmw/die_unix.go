//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// die ends the process by a signal, so that a shell that waits for it stops its script too.
func die(s syscall.Signal) {
	signal.Reset(s)
	_ = syscall.Kill(syscall.Getpid(), s)
	time.Sleep(time.Second) // which the signal does not wait for, unless the parent has it ignored
	os.Exit(exitSignal + int(s))
}
