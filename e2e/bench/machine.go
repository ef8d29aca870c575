package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"gatepost/e2e/rig"
)

// machine tells what the figures were measured on.
func machine(context.Context) error {
	synced, err := syncTimes()
	if err != nil {
		return err
	}
	say("machine      %s, %d processors (%s), %s of memory", time.Now().Format(time.DateOnly), runtime.NumCPU(),
		field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal"))
	say("disk         fsync of 4 KiB: %v", synced)
	return nil
}

// field is a line's value in one of the kernel's files.
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// syncTimes measures how long the disk takes to keep a page for good.
func syncTimes() (rig.Times, error) {
	folder, err := os.MkdirTemp("", "gatepost-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	f, err := os.Create(filepath.Join(folder, "page"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var all rig.Times
	for page := make([]byte, 4096); len(all) < 500; {
		begun := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		all = append(all, time.Since(begun))
	}
	return all, nil
}
