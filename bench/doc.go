// Package bench measures fovea:
//
//	go test -run '^$' -bench . ./bench                            everything, on the CPU
//	go test -run '^$' -bench Training/vgg ./bench                 one network
//	go test -run '^$' -bench Conv ./bench -backend cuda:0         another backend
//	go test -run '^$' -bench MatMul ./bench -threads 1 -count 10
//	make bench BENCH=Conv                                         with the percentage of the measured peak
//	make bench-compare                                            beside PyTorch, ONNX Runtime, OpenBLAS and Gorgonia
//
// GFLOP/s are nominal: a multiply-add counts two, and padded taps count. An
// algorithm that needs fewer operations can exceed the machine's peak. Numbers that
// were kept lie in results/, comparisons with other systems in compare/.
package bench
