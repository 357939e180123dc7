# Prints a table of benchmarks: name, unit, fovea, the best of the others and whose it is, and fovea's share of it.
#
#	awk -f table.awk fovea.txt others.tsv
#
# fovea.txt is the output of go's benchmarks; others.tsv has lines of system, name, unit and value. Higher is better in both units:
# images/s of networks and GFLOP/s of single Ops.

function remember(name, unit, value) {
	key = name " " unit
	if (!(key in fovea)) names[++count] = key
	if (!(key in fovea) || value + 0 > fovea[key] + 0) fovea[key] = value
}

FILENAME != ARGV[2] && /^Benchmark/ && / ns\/op/ {
	name = $1
	sub(/^Benchmark/, "", name)
	sub(/-[0-9]+$/, "", name)
	for (i = 3; i < NF; i++) if ($(i + 1) == "images/s") { remember(name, "images/s", $i); next }
	for (i = 3; i < NF; i++) if ($(i + 1) == "GFLOP/s") remember(name, "GFLOP/s", $i)
}

FILENAME == ARGV[2] && NF {
	split($0, column, "\t")
	key = column[2] " " column[3]
	if (!(key in best) || column[4] + 0 > best[key] + 0) { best[key] = column[4]; whose[key] = column[1] }
	if (!(key in fovea) && !(key in alone)) { alone[key]; names[++count] = key }
}

END {
	printf "%-34s %-9s %12s %12s  %-22s %7s\n", "name", "unit", "fovea", "best other", "", "ratio"
	for (i = 1; i <= count; i++) {
		key = names[i]
		split(key, part, " ")
		ours = key in fovea ? sprintf("%.4g", fovea[key]) : "not run"
		theirs = key in best ? sprintf("%.4g", best[key]) : "not run"
		ratio = key in fovea && key in best && best[key] > 0 ? sprintf("%.2f", fovea[key] / best[key]) : "-"
		printf "%-34s %-9s %12s %12s  %-22s %7s\n", part[1], part[2], ours, theirs, key in best ? whose[key] : "", ratio
	}
}
