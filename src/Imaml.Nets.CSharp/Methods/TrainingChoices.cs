// What options of a run choose from, by the names of the command line.


namespace Imaml.Nets.Methods;

/// <summary>How the outer step size changes over a run of T meta-steps.</summary>
public enum OuterSchedule
{
    /// <summary>The same at every meta-step.</summary>
    Constant,

    /// <summary>rate·(1 + cos(πt/T))/2: from the rate to zero.</summary>
    Cosine,
}

/// <summary>What has a learned number of its own.</summary>
public enum LearnedPer
{
    /// <summary>A task: one number for all parameters.</summary>
    Task,

    /// <summary>Every layer.</summary>
    Layer,

    /// <summary>Every parameter.</summary>
    Parameter,
}

/// <summary>What solves (H + Λ)u = v.</summary>
public enum LinearSolverKind
{
    /// <summary>Conjugate gradients.</summary>
    Cg,

    /// <summary>Conjugate gradients preconditioned by an estimate of the diagonal.</summary>
    Pcg,

    /// <summary>MINRES.</summary>
    Minres,

    /// <summary>The Neumann series.</summary>
    Neumann,
}

/// <summary>What is done for a task whose H + Λ is not positive definite.</summary>
public enum CurvatureRemedy
{
    /// <summary>The solver's own answer stands: conjugate gradients' iterate before the direction.</summary>
    Truncate,

    /// <summary>Λ is doubled until there is none.</summary>
    RaiseLambda,

    /// <summary>MINRES.</summary>
    Minres,

    /// <summary>The Gauss–Newton matrix in place of H.</summary>
    GaussNewton,
}
