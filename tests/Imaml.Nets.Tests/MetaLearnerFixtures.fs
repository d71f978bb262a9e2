/// A small meta-learner and where its episodes come from.
module Imaml.Nets.Tests.MetaLearnerFixtures

open Imaml.Nets.Tasks
open Imaml.Nets.Models
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Nets.Tests.DataFixtures

let experimentOn (tasks: TaskSpec) (method: Method) seed =
    Experiment(tasks, StridedConvolutions 2, method, Outer.Adam(1e-2, Schedule.Constant), Budget(200, 3), seed)

let imaml: Method = ImplicitMaml(Inner.GradientDescent 3, 2.0, Adjoint.ConjugateGradients 2)

let experimentOf method seed = experimentOn (OwnTasks "patterned") method seed

/// 3-way 1-shot on 6 × 6 images.
let sampler =
    lazy EpisodeSampler(patterned 6 1 8 5, classNames (patterned 6 1 8 5), RotationMode.None, 3, 1, 2, 1UL)

let network () = StridedConvolutions(2).Build(ImageShape(6, 6, 1), 3)

let model () = ImageClassifier(network ())

/// The sampler's episodes as tasks; the seed of a range chooses nothing, and `change` may spoil them.
let tasksWith (change: EpisodeBatch -> unit) =
    { new ITaskSource<EpisodeBatch> with
        member _.Identity = "patterned"
        member _.SupportExamples = 3

        member _.Take range =
            let batch = sampler.Value.Batch(range.First, range.Count)
            change batch
            batch
    }

let problem () = LearningProblem.Of(tasksWith ignore, model ())

let learnerOf (experiment: Experiment) threads = MetaLearner.Create(experiment.Plan, problem (), threads)

let learner seed = learnerOf (experimentOf imaml seed) 1

let range first count = TaskRange(ClassPart.Train, 1UL, first, count)

/// The meta-batch of a step: episodes 3i, 3i + 1, 3i + 2.
let batch (step: int) = range (int64 (3 * step)) 3
