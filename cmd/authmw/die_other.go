//go:build !unix

package main

import (
	"os"
	"syscall"
)

// die ends the process with the status that a shell gives to one that a signal ended.
func die(s syscall.Signal) { os.Exit(exitSignal + int(s)) }
