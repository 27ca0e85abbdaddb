package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// config is the part of Cloudreve's conf.ini that says where the database is. The fields have Cloudreve's names.
type config struct {
	Type        string
	Host        string
	Port        int
	User        string
	Password    string
	Name        string
	Charset     string
	DBFile      string
	UnixSocket  bool
	DatabaseURL string
	TablePrefix string
}

// overridePrefix begins the environment variables that override the file, such as CR_CONF_Database.Host or, for those who
// cannot have a dot in a name, CR_CONF_Database__Host.
const overridePrefix = "CR_CONF_"

// readConfig reads conf.ini as Cloudreve 4.14 does, with the library that it uses and with its defaults: missing
// sections and keys have those, and a number that is none is ignored. In particular, # and ; begin a comment anywhere in
// a value that is not in backquotes; quotation marks do not help.
func readConfig(path string, environ []string) (config, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return config{}, fmt.Errorf("there is no file %s: name Cloudreve's conf.ini, usually data/conf.ini beside its program", path)
		}
		return config{}, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	file, err := ini.Load(content)
	if err != nil {
		return config{}, fmt.Errorf("%s is not in the format of Cloudreve's conf.ini%s", path, wrongLine(content, err))
	}
	var overrides strings.Builder
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		name, ok := strings.CutPrefix(name, overridePrefix)
		if !ok {
			continue
		}
		section, key, ok := strings.Cut(name, ".")
		if !ok {
			section, key, ok = strings.Cut(name, "__")
		}
		if ok && section != "" && key != "" {
			fmt.Fprintf(&overrides, "[%s]\n%s = %s\n", section, key, value)
		}
	}
	if err := file.Append([]byte(overrides.String())); err != nil {
		return config{}, fmt.Errorf("the environment variables %s… cannot be understood", overridePrefix) // the error quotes them
	}

	if mode := file.Section("System").Key("Mode").String(); mode == "slave" {
		return config{}, fmt.Errorf("%s is of a slave node, which has neither the key nor users: take the master's", path)
	}
	c := config{Port: 3306, Charset: "utf8mb4", DBFile: filepath.Join("data", "cloudreve.db")}
	if err := file.Section("Database").MapTo(&c); err != nil {
		return config{}, fmt.Errorf("the section Database of %s cannot be understood: %w", path, err)
	}
	return c, nil
}

// wrongLine tells where the parser gave up. Its error quotes the line, which may have a password in it.
func wrongLine(content []byte, err error) string {
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		if line = strings.TrimSpace(line); line != "" && strings.HasSuffix(strings.TrimSpace(err.Error()), line) {
			return fmt.Sprintf(": see line %d", n)
		}
	}
	return ""
}

// findDBFile returns the SQLite file that Cloudreve opens. It takes a relative DBFile from the folder that its program is
// in, whose subfolder data has conf.ini unless told otherwise, or with --use-working-dir from the working directory. The
// program itself is not known here.
func findDBFile(configPath, dbFile string) (string, error) {
	if filepath.IsAbs(dbFile) {
		return dbFile, nil
	}
	folder, err := filepath.Abs(filepath.Dir(configPath))
	if err != nil {
		return "", err
	}
	candidates := []string{filepath.Join(folder, dbFile)}
	if filepath.Base(folder) == "data" {
		candidates = []string{filepath.Join(filepath.Dir(folder), dbFile), candidates[0]}
	}
	working, err := filepath.Abs(dbFile)
	if err != nil {
		return "", err
	}
	if !slices.Contains(candidates, working) {
		candidates = append(candidates, working)
	}
	for _, candidate := range candidates {
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("there is no database %s: it is relative to the folder of Cloudreve's program, so name it with --dsn sqlite:PATH; or, if Cloudreve is told of its database by CR_CONF_Database… variables, set those here too",
		strings.Join(candidates, ", nor "))
}
