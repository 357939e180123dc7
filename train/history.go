package train

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math"
	"path/filepath"
	"strconv"

	"fovea/internal/atomicfile"
)

// The files of a run's folder.
const (
	ModelFile        = "model.safetensors" // the best model
	StateFile        = "state.safetensors" // everything needed to go on
	HistoryCSVFile   = "history.csv"
	HistoryJSONLFile = "history.jsonl"
	LockFile         = "run.lock" // empty; see LockFolder
)

// Number is a float64 that may be no number: NaN and infinities are null in JSON, and
// null is NaN.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(data []byte) error {
	v := math.NaN()
	if string(data) != "null" {
		if err := json.Unmarshal(data, &v); err != nil {
			return err
		}
	}
	*n = Number(v)
	return nil
}

// cell writes a number for a table: empty where there is none.
func (n Number) cell() string {
	if math.IsNaN(float64(n)) {
		return ""
	}
	return strconv.FormatFloat(float64(n), 'g', -1, 64)
}

// writeHistory writes the history of a run as CSV and as JSON lines.
func writeHistory(dir string, history []EpochRecord) error {
	asCSV := atomicfile.Write(filepath.Join(dir, HistoryCSVFile), func(w io.Writer) error {
		table := csv.NewWriter(w)
		rows := [][]string{{"epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "images_per_second", "seconds", "best"}}
		for _, r := range history {
			rows = append(rows, []string{
				strconv.Itoa(r.Epoch), r.TrainLoss.cell(), r.TrainAccuracy.cell(), r.ValidationLoss.cell(), r.ValidationAccuracy.cell(),
				Number(r.LearningRate).cell(), Number(r.ImagesPerSecond).cell(), Number(r.Seconds).cell(), strconv.FormatBool(r.Best),
			})
		}
		return table.WriteAll(rows)
	})
	asJSON := atomicfile.Write(filepath.Join(dir, HistoryJSONLFile), func(w io.Writer) error {
		lines := json.NewEncoder(w)
		for _, r := range history {
			if err := lines.Encode(r); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(asCSV, asJSON)
}
