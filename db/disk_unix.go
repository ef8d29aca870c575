//go:build linux || darwin || freebsd

package db

import "syscall"

// freeBytes is how much anybody may write to the disk of a folder.
func freeBytes(folder string) (free int64, known bool, err error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(folder, &disk); err != nil {
		return 0, false, err
	}
	return int64(disk.Bavail) * int64(disk.Bsize), true, nil
}
