// Package logtest shows tests what is logged.
package logtest

import (
	"log"
	"log/slog"
	"slices"
	"strings"
)

// Lines returns the lines that slog's default logger writes while do runs. Nothing else may log meanwhile.
func Lines(do func()) []string {
	var text strings.Builder
	logger, writer, flags := slog.Default(), log.Writer(), log.Flags()
	defer func() {
		slog.SetDefault(logger)
		log.SetOutput(writer) // which SetDefault has changed, and does not restore
		log.SetFlags(flags)
	}()
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
	do()
	return slices.Collect(strings.Lines(text.String()))
}
