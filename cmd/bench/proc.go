package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc's CPU times.
const tick = 10 * time.Millisecond

// peak is the most memory that a running process has had, in bytes. What a
// process that has ended is said to have had may be its parent's.
func peak(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, " kB")
	kilobytes, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return kilobytes << 10, err
}

// family is the CPU time of a process and its children, of those that have
// ended too.
func family(pid int) (total time.Duration, err error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	asked := strconv.Itoa(pid)
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // ended meanwhile: its parent has its time
		}
		id, _, _ := strings.Cut(string(text), " ")
		state := string(text[strings.LastIndexByte(string(text), ')')+1:]) // what comes before is a name
		fields := strings.Fields(state)                                    // from the third on
		if len(fields) < 15 || id != asked && fields[1] != asked {
			continue
		}
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", name, err)
			}
			total += time.Duration(ticks) * tick
		}
	}
	return total, nil
}
