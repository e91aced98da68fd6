// Tables of experiments that have no scores by item: whatever lists they hold.

package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"netllm/tools/internal/cli"
)

// savedTable is a list of an experiment.
type savedTable struct {
	name string // of its field
	*cli.Table
}

// The most that a table shows of a list.
const (
	mostRows    = 200
	mostColumns = 14
)

// addTables takes from an experiment's JSON the lists of objects that have
// numbers or words.
func (r *savedRun) addTables(text json.RawMessage, depth int) {
	keys, fields := orderedFields(text)
	for _, key := range keys {
		var list []json.RawMessage
		switch value := fields[key]; {
		case key == "units" || key == "config" || depth > deepest: // how it was done, not what came of it
		case !isList(value):
			r.addTables(value, depth+1)
		case json.Unmarshal(value, &list) == nil && len(list) > 0:
			if t := tableOf(list); t != nil {
				r.tables = append(r.tables, savedTable{strings.ReplaceAll(key, "_", " "), t})
			}
		}
	}
}

// tableOf shows objects as rows; nil if they have nothing to show.
func tableOf(list []json.RawMessage) *cli.Table {
	var columns []string
	words := map[string]bool{} // columns that hold text
	var rows []map[string]string
	for _, item := range list[:min(len(list), mostRows)] {
		keys, fields := orderedFields(item)
		cells := map[string]string{}
		for _, key := range keys {
			cell, word, ok := showValue(fields[key])
			if !ok {
				continue
			}
			if !slices.Contains(columns, key) {
				columns = append(columns, key)
			}
			cells[key], words[key] = cell, words[key] || word
		}
		rows = append(rows, cells)
	}
	slices.SortStableFunc(columns, func(a, b string) int { // text to the left, as tables have it
		return rankOfBool(words[b]) - rankOfBool(words[a])
	})
	columns = columns[:min(len(columns), mostColumns)]
	if len(columns) == 0 {
		return nil
	}
	t := &cli.Table{}
	for _, c := range columns {
		t.Columns = append(t.Columns, strings.ReplaceAll(c, "_", " "))
		t.Text += rankOfBool(words[c])
	}
	for _, cells := range rows {
		line := make([]string, len(columns))
		for i, c := range columns {
			line[i] = cells[c]
		}
		t.Add(line...)
	}
	return t
}

func rankOfBool(b bool) int {
	if b {
		return 1
	}
	return 0
}

// showValue shows a number, a word, a truth value, or a few numbers.
func showValue(text json.RawMessage) (cell string, word, ok bool) {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return "", false, false
	}
	switch v := value.(type) {
	case float64:
		return shortNumber(v), false, true
	case string:
		const most = 60
		if letters := []rune(v); len(letters) > most {
			v = string(letters[:most-1]) + "…"
		}
		return v, true, true
	case bool:
		return strconv.FormatBool(v), true, true
	case []any:
		const most = 6
		var parts []string
		for _, item := range v {
			number, ok := item.(float64)
			if !ok || len(parts) == most {
				return "", false, false
			}
			parts = append(parts, shortNumber(number))
		}
		return strings.Join(parts, " "), false, len(parts) > 0
	}
	return "", false, false
}

// shortNumber shows whole numbers whole and others with five digits.
func shortNumber(v float64) string {
	if v == float64(int64(v)) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', 5, 64)
}

// orderedFields returns the fields of an object, and their names as they come;
// nothing if it is none.
func orderedFields(text json.RawMessage) (keys []string, fields map[string]json.RawMessage) {
	if json.Unmarshal(text, &fields) != nil || fields == nil {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return nil, nil
	}
	for d.More() {
		key, err := d.Token()
		var skipped json.RawMessage
		if err != nil || d.Decode(&skipped) != nil {
			return nil, nil
		}
		if name, ok := key.(string); ok && !slices.Contains(keys, name) {
			keys = append(keys, name)
		}
	}
	return keys, fields
}
