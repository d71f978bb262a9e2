// Eight logistic-regression tasks with weights near each other: θ is learned so that twelve examples suffice for the next one.
using Imaml.Math;
using MathNet.Numerics.Distributions;
using MathNet.Numerics.LinearAlgebra;
using static MathNet.Numerics.SpecialFunctions;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

const int dimension = 3, examples = 12;
var random = new Random(1);
var normal = new Normal(0.0, 1.0, random);

// The rows are a = ±x, ‖x‖ = 1, and the sign is the label: the loss is the mean of log(1 + exp(−aᵀφ)).
Vector Row(Vector weights, Vector x) => random.NextDouble() < Logistic(x * weights) ? x : -x;
Matrix<double> Draw(Vector weights) => Matrix<double>.Build.DenseOfRowVectors(
    Enumerable.Range(0, examples).Select(_ => Row(weights, Vector.Build.Random(dimension, normal).Normalize(2.0))));
double Loss(Matrix<double> a, Vector phi) => (a * phi).Map(z => Math.Log(1.0 + Math.Exp(-z))).Sum() / examples;
Vector Gradient(Matrix<double> a, Vector phi) => -a.TransposeThisAndMultiply((a * phi).Map(z => Logistic(-z))) / examples;
Vector HessianProduct(Matrix<double> a, Vector phi, Vector w) =>
    a.TransposeThisAndMultiply((a * phi).Map(z => Logistic(z) * Logistic(-z)).PointwiseMultiply(a * w)) / examples;
IBilevelProblem<Vector, double> Task(Matrix<double> support, Matrix<double> query) => BilevelProblem.FromDelegates(
    phi => Loss(support, phi), phi => Gradient(support, phi), (phi, w) => HessianProduct(support, phi, w),
    phi => Loss(query, phi), phi => Gradient(query, phi));
var weights = Enumerable.Range(0, 8).Select(_ => 4.0 + Vector.Build.Random(dimension, normal)).ToArray();
var tasks = weights.Select(w => Task(Draw(w), Draw(w))).ToArray();

// Algorithm 1, with Algorithm 2's meta-gradient to inner accuracy δ and linear-solve accuracy δ′.
var space = new EuclideanSpace();
var regularizer = new ScalarRegularizer<Vector, double>(lambda: 0.1);
var inner = new NewtonConjugateGradientSolver<Vector, double>(maxSteps: 20, directionSteps: dimension);
var linear = new ConjugateGradientSolver<Vector, double>(LinearSolveOptions.ToTolerance(10, 0.0));
var accuracies = Thresholds.OfAccuracies(regularizer, strongConvexity: 0.1, delta: 1e-8, deltaPrime: 1e-8);
var strategy = new ImplicitStrategy<Vector, double>(inner, linear, accuracies);
var start = MetaLearning.Start(new GradientDescentOptimizer<Vector, double>(rate: 1.0), Vector.Build.Dense(dimension));
var batches = Enumerable.Repeat(MetaLearning.Chunks(space, tasks), 50);
var (learned, steps) = MetaLearning.Run(space, strategy, regularizer, batches, start);
Console.WriteLine($"outer loss: {steps[0].OuterLoss:F6} before, {steps[^1].OuterLoss:F6} after {learned.Steps} steps");

// How far may the first task's meta-gradient be from the exact one? By ‖a‖ = 1, 0 ⪯ H ⪯ ¼, B ≤ 1, ρ ≤ 1/(6√3); γ₃₁ < 10⁻¹⁴.
var rounding = new AffineBound(constant: 1e-14, slope: 1e-14);
// What belongs to the losses; µ, β and ‖Λ‖ are formed from the Λ in use.
var logistic = LossConstants.Proved(
    smallestCurvature: 0.0, largestCurvature: 0.26, hessianLipschitz: 0.1, gradientBound: 1.01, gradientRounding: rounding, productRounding: rounding);
var constants = new TaskConstants(inner: logistic, outer: logistic);
var result = ImplicitMetaGradient.Compute(space, regularizer, tasks[0], inner, linear, accuracies, learned.Theta);
var bound = Certificate.OfResult(space, regularizer, tasks[0], [constants], learned.Theta, result)[0];
Console.WriteLine($"a meta-gradient of norm {result.Gradient.L2Norm():F6}, at most {bound.Total:E1} from the exact one ({bound.Kind})");
