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

// CloneOp returns a copy of op whose operands can be changed independently.
func CloneOp(op Op) Op {
	v := reflect.New(reflect.TypeOf(op).Elem())
	v.Elem().Set(reflect.ValueOf(op).Elem())
	if c, ok := v.Interface().(*Concatenate); ok {
		c.Xs = append([]View(nil), c.Xs...)
	}
	return v.Interface().(Op)
}
