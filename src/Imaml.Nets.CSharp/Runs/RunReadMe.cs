namespace Imaml.Nets.Runs;

/// <summary>The file of a run's folder that says what each of the others is.</summary>
internal static class RunReadMe
{
    /// <summary>Its name.</summary>
    public const string Name = "README.txt";

    /// <summary>Its text.</summary>
    public const string Text =
        """
        A training run of imaml. The command that began it continues it where it has stopped.

        run.json                 the experiment: all options; `imaml train run.json --out OTHER` trains it again
        provenance.json          the classes of each part, the program and the machine
        checkpoint.bin           the newest state, from which training goes on
        checkpoint-previous.bin  the state before it, which is taken where the newest is damaged
        checkpoint-best.bin      the state of the best validation
        checkpoint-best-regular.bin  the best state before an end at which the run was validated out of turn; a longer run goes on from it
        checkpoint-N.bin         the state after N meta-steps (--keep-every)
        progress.jsonl           the log of training: one JSON object for each meta-step, or for --log-every of them
        curve.jsonl              the validations: one JSON object each
        training.json            what the finished training cost, and how its solves ended
        diverged.json            why training could not go on
        evaluation-*.json        what `imaml evaluate` measured, episode by episode
        diagnosis/               what `imaml diagnose` measured
        report.html              the page that `imaml report` wrote
        tensorboard/             what `imaml report --tensorboard` wrote
        lock                     held by the process that trains; without one it can be deleted

        `imaml show FOLDER` draws the validation curve, `imaml report FOLDER` writes a page, `imaml evaluate FOLDER` measures the accuracy on new classes,
        `imaml predict FOLDER --examples DIR PICTURES` classifies pictures.

        """;
}
