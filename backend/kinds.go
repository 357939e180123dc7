package backend

import "reflect"

// prototypes holds one zero value of each Op.
var prototypes = []Op{
	&Conv2D{}, &Conv2DInputGrad{}, &Conv2DFilterGrad{},
	&MatMul{},
	&MaxPool2D{}, &MaxPool2DGrad{}, &AvgPool2D{}, &AvgPool2DGrad{},
	&Pad{}, &PadGrad{}, &Resize{}, &ResizeGrad{},
	&Unary{}, &UnaryGrad{}, &Binary{}, &Compare{}, &Select{},
	&Reduce{}, &ReduceMaxGrad{},
	&Fill{}, &Copy{}, &Slice{}, &Embed{}, &Concatenate{}, &Transpose{}, &Gather{}, &ScatterAdd{}, &Convert{},
	&Maxout{}, &MaxoutGrad{}, &Softmax{}, &SoftmaxGrad{},
	&Loss{}, &LossGrad{},
	&Dropout{}, &DropoutGrad{},
	&BatchNorm{}, &BatchNormGrad{}, &BatchNormInference{}, &MovingAverage{},
	&OptimizerStep{},
}

// Kinds lists the name of every Op. Tests use it to prove that a backend, the
// reference, the gradient rules and the conformance cases leave none out.
func Kinds() []string {
	kinds := make([]string, len(prototypes))
	for i, op := range prototypes {
		kinds[i] = op.Kind()
	}
	return kinds
}

// CloneOp returns a copy of op that shares no memory with it but the extents of its
// operands' shapes, which nobody changes.
func CloneOp(op Op) Op {
	v := reflect.New(reflect.TypeOf(op).Elem())
	v.Elem().Set(reflect.ValueOf(op).Elem())
	for i := range v.Elem().NumField() {
		if f := v.Elem().Field(i); f.Kind() == reflect.Slice && !f.IsNil() {
			f.Set(reflect.AppendSlice(reflect.MakeSlice(f.Type(), 0, f.Len()), f))
		}
	}
	return v.Interface().(Op)
}
