using System.Globalization;

namespace Imaml.Cli.Problems;

/// <summary>A way to the meta-gradient.</summary>
internal enum Method
{
    /// <summary>Algorithm 2, iMAML.</summary>
    Implicit,

    /// <summary>Dense solves to rounding.</summary>
    Exact,

    /// <summary>Back-propagation through all inner steps.</summary>
    Maml,

    /// <summary>Back-propagation through the last K inner steps.</summary>
    Truncated,

    /// <summary>The outer gradient at φ.</summary>
    Fomaml,

    /// <summary>θ − φ.</summary>
    Reptile,
}

/// <summary>What is asked of a problem. Unused options are errors.</summary>
/// <param name="Method">The way to the meta-gradient.</param>
/// <param name="Accuracy">ε, for Implicit.</param>
/// <param name="InnerSteps">n, in place of ε and for every other method but Exact.</param>
/// <param name="CgSteps">m, in place of ε.</param>
/// <param name="StepSize">α; without it 1/β where the constants are known.</param>
/// <param name="Truncate">K, for Truncated.</param>
internal sealed record SolveRequest(Method Method, double? Accuracy, int? InnerSteps, int? CgSteps, double? StepSize, int? Truncate)
{
    /// <summary>What Implicit is asked for where neither an accuracy nor budgets are given.</summary>
    public const double UsualAccuracy = 1e-8;

    /// <summary>The request, its options checked against the method.</summary>
    /// <exception cref="ArgumentException">Missing, contradictory or unused options.</exception>
    public SolveRequest Checked()
    {
        var iterates = Method is not Method.Exact;
        var name = Method.ToString().ToLowerInvariant();
        Refuse(Accuracy is not null && Method is not Method.Implicit, $"--accuracy is for --method implicit, not {name}");
        Refuse(CgSteps is not null && Method is not Method.Implicit, $"--cg-steps is for --method implicit, not {name}");
        Refuse(Truncate is not null && Method is not Method.Truncated, $"--truncate is for --method truncated, not {name}");
        Refuse(InnerSteps is not null && !iterates, $"--inner-steps is not for --method {name}");
        Refuse(StepSize is not null && !iterates, $"--step-size is not for --method {name}");
        Refuse(Accuracy is not null && (InnerSteps is not null || CgSteps is not null), "give --accuracy, or --inner-steps and --cg-steps, not both");
        Refuse(Method is Method.Implicit && (InnerSteps is null) != (CgSteps is null), "--inner-steps and --cg-steps go together");
        Refuse(Method is Method.Maml or Method.Truncated or Method.Fomaml or Method.Reptile && InnerSteps is null, $"--method {name} needs --inner-steps");
        Refuse(Method is Method.Truncated && Truncate is null, "--method truncated needs --truncate");
        Refuse(Truncate > InnerSteps, $"--truncate must be at most --inner-steps {InnerSteps}, not {Truncate}");
        Positive("--accuracy", Accuracy);
        Positive("--step-size", StepSize);
        return Method is Method.Implicit && InnerSteps is null ? this with { Accuracy = Accuracy ?? UsualAccuracy } : this;
    }

    private static void Positive(string option, double? value) =>
        Refuse(value is { } number && !(number > 0 && double.IsFinite(number)), string.Create(CultureInfo.InvariantCulture, $"{option} must be positive and finite, not {value}"));

    private static void Refuse(bool wrong, string rule)
    {
        if (wrong)
        {
            throw new ArgumentException(rule);
        }
    }
}
