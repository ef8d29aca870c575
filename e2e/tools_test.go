package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gatepost/e2e/setup"

	"github.com/playwright-community/playwright-go"
)

// npmPackage is a package of the npm registry, pinned to its bytes.
type npmPackage struct{ name, version, sha512 string }

var (
	driverPackage = npmPackage{"playwright-core", "1.52.0", "l2osTgLXSMeuLZOML9qYODUQoPPnUsKsb5/P6LJ2e6uPKXUdPK5WYhN4z03G+YNbWmGDY4YENauNu4ZKczreHg=="}
	axePackage    = npmPackage{"axe-core", "4.14.1", "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="}
)

const noDriver = `Playwright's driver can't be had. Install Node 18 or later with npm (Debian: apt-get install nodejs npm),
or set PLAYWRIGHT_DRIVER_PATH to a folder with the driver of Playwright 1.52.0`

const noBrowser = `there is no Chromium to test with. Install one that is on the PATH as chromium or google-chrome
(Debian: apt-get install chromium)`

// tools are the parts that drive the browser and judge the pages.
type tools struct {
	driver   string // folder of Playwright's driver
	chromium string // executable; "" is the one that Playwright downloaded
	axe      string // source of axe-core
}

// say tells what the set-up is doing, since it can take a while.
func say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "e2e: "+format+"\n", args...)
}

// findTools finds what is on the machine, and installs what isn't.
func findTools() (tools, error) {
	folder, err := toolsFolder()
	if err != nil {
		return tools{}, err
	}
	var t tools
	if t.driver, err = findDriver(folder); err != nil {
		return tools{}, fmt.Errorf("%s: %w", noDriver, err)
	}
	if t.chromium, err = findChromium(t.driver); err != nil {
		return tools{}, fmt.Errorf("%s: %w", noBrowser, err)
	}
	axe, err := axePackage.install(folder)
	if err != nil {
		return tools{}, fmt.Errorf("axe-core can't be had; it comes with npm: %w", err)
	}
	source, err := os.ReadFile(filepath.Join(axe, "package", "axe.min.js"))
	t.axe = string(source)
	return t, err
}

// toolsFolder is where downloads are kept: in the user's cache, or where there
// is none, here and ignored by git.
func toolsFolder() (string, error) {
	if cache, err := os.UserCacheDir(); err == nil {
		folder := filepath.Join(cache, "gatepost-e2e")
		if os.MkdirAll(folder, 0o755) == nil {
			return folder, nil
		}
	}
	folder, err := filepath.Abs(".tools")
	if err != nil {
		return "", err
	}
	return folder, os.MkdirAll(folder, 0o755)
}

// findDriver returns the folder of Playwright's driver: the one that the
// environment names, or one made of the npm package and the machine's Node, or
// the one that Playwright offers for download.
func findDriver(folder string) (string, error) {
	node, nodeErr := exec.LookPath("node")
	if given := os.Getenv("PLAYWRIGHT_DRIVER_PATH"); given != "" {
		if _, err := os.Stat(filepath.Join(given, "node")); err == nil {
			return given, nil
		}
		return given, useNode(node, nodeErr)
	}
	driver, err := driverPackage.install(folder)
	if err = errors.Join(nodeErr, err); err == nil {
		return driver, useNode(node, nil)
	}
	say("no driver from npm (%v)", err)
	driver = filepath.Join(folder, "playwright-download")
	say("downloading Playwright's own driver, for 3 minutes at most")
	return driver, within(3*time.Minute, func() error {
		return playwright.Install(&playwright.RunOptions{DriverDirectory: driver, SkipInstallBrowsers: true})
	})
}

// useNode has Playwright run its driver with the machine's Node, unless the
// environment names another.
func useNode(node string, err error) error {
	if os.Getenv("PLAYWRIGHT_NODEJS_PATH") != "" {
		return nil
	}
	return errors.Join(err, os.Setenv("PLAYWRIGHT_NODEJS_PATH", node))
}

// findChromium returns the path of a Chromium or Chrome that runs: what is on
// the PATH, else what Playwright has downloaded before (which has no path), else
// the system's package, else a download by Playwright.
func findChromium(driver string) (string, error) {
	if path := chromiumOnPath(); path != "" {
		return path, nil
	}
	if downloaded(driver) {
		return "", nil
	}
	err := setup.Install(say, "chromium")
	if path := chromiumOnPath(); err == nil && path != "" {
		return path, nil
	}
	say("no Chromium from the system's packages (%v)", err)
	say("downloading Playwright's own Chromium, for 5 minutes at most")
	d, derr := playwright.NewDriver(&playwright.RunOptions{DriverDirectory: driver})
	if derr != nil {
		return "", errors.Join(err, derr)
	}
	return "", errors.Join(err, setup.Run(5*time.Minute, d.Command("install", "chromium")))
}

// chromiumOnPath tries each, since some systems have one that only says how to
// install the real one.
func chromiumOnPath() string {
	for _, name := range []string{"chromium", "google-chrome", "google-chrome-stable", "chromium-browser"} {
		path, err := exec.LookPath(name)
		if err == nil && setup.Run(time.Minute, exec.Command(path, "--version")) == nil {
			return path
		}
	}
	return ""
}

// downloaded reports whether Playwright has a Chromium of its own.
func downloaded(driver string) bool {
	pw, err := playwright.Run(&playwright.RunOptions{DriverDirectory: driver, SkipInstallBrowsers: true})
	if err != nil {
		return false
	}
	defer func() { _ = pw.Stop() }()
	_, err = os.Stat(pw.Chromium.ExecutablePath())
	return err == nil
}

// install fetches the package once and returns the folder that holds it, in one
// named package.
func (p npmPackage) install(folder string) (string, error) {
	to := filepath.Join(folder, p.name+"-"+p.version)
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	say("fetching %s@%s from npm, for 2 minutes at most", p.name, p.version)
	tmp, err := os.MkdirTemp(folder, "new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	npm := exec.Command("npm", "pack", "--silent", "--cache", filepath.Join(tmp, "npm"), "--pack-destination", tmp, p.name+"@"+p.version)
	npm.Dir = tmp
	if err := setup.Run(2*time.Minute, npm); err != nil {
		return "", err
	}
	unpacked := filepath.Join(tmp, "unpacked")
	if err := p.unpack(filepath.Join(tmp, p.name+"-"+p.version+".tgz"), unpacked); err != nil {
		return "", err
	}
	if err := os.Rename(unpacked, to); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return to, nil
}

// nodeModules is the folder with the packages of a program in JavaScript, as its lock has
// them. They are fetched once.
func nodeModules(program string) (string, error) {
	cache, err := toolsFolder()
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(program, "package-lock.json"))
	if err != nil {
		return "", err
	}
	to := filepath.Join(cache, fmt.Sprintf("%s-%.12x", filepath.Base(program), sha256.Sum256(lock)))
	if _, err := os.Stat(to); err == nil {
		return filepath.Join(to, "node_modules"), nil
	}
	say("fetching the packages of %s from npm, for 5 minutes at most", program)
	tmp, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.CopyFS(tmp, os.DirFS(program)); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = tmp
	if err := setup.Run(5*time.Minute, npm); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, to); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return filepath.Join(to, "node_modules"), nil
}

// unpack checks the archive and writes its files below the folder to.
func (p npmPackage) unpack(archive, to string) error {
	content, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	if sum := sha512.Sum512(content); base64.StdEncoding.EncodeToString(sum[:]) != p.sha512 {
		return fmt.Errorf("%s@%s is not what it was: another checksum", p.name, p.version)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return err
	}
	for files := tar.NewReader(zipped); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) {
			continue
		}
		if err := write(filepath.Join(to, h.Name), files); err != nil {
			return err
		}
	}
}

func write(path string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	content, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// within waits for fn no longer than limit.
func within(limit time.Duration, fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("no end after %v: %w", limit, context.DeadlineExceeded)
	}
}
