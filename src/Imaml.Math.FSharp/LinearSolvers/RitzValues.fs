// Ritz values: what k steps of conjugate gradients know of A's spectrum (Golub and Van Loan, sections 8.4 and 10.2).
//
// The steps' coefficients are the entries of a symmetric tridiagonal matrix, A seen from the Krylov space. Its eigenvalues are found by
// bisection: the number of negative pivots of T − xI counts the eigenvalues below x. It is exact to rounding, needs memory for k numbers
// and time of order k², and always ends.

namespace Imaml.Math


[<RequireQualifiedAccess>]
module RitzValues =

    /// How many eigenvalues of the tridiagonal matrix are below x.
    let private below (diagonal: float[]) (offDiagonal: float[]) x =
        let mutable count = 0
        let mutable pivot = 1.0

        for i in 0 .. diagonal.Length - 1 do
            let coupling =
                if i = 0 then
                    0.0
                else
                    // The quotient first: the square of an off-diagonal may leave the range of numbers.
                    offDiagonal[i - 1] / pivot * offDiagonal[i - 1]

            pivot <- diagonal[i] - x - coupling

            // A pivot of exactly 0 would spoil the next: a hair to the left of x it is positive.
            if pivot = 0.0 then
                pivot <- 1e-300

            if pivot < 0.0 then
                count <- count + 1

        count

    /// The eigenvalues of a symmetric tridiagonal matrix, ascending.
    let ofTridiagonal (diagonal: float[]) (offDiagonal: float[]) =
        let radius i =
            (if i = 0 then 0.0 else abs offDiagonal[i - 1])
            + (if i = diagonal.Length - 1 then 0.0 else abs offDiagonal[i])

        // Gershgorin's discs hold every eigenvalue.
        let lowest = diagonal |> Array.mapi (fun i value -> value - radius i) |> Array.fold min infinity
        let highest = diagonal |> Array.mapi (fun i value -> value + radius i) |> Array.fold max -infinity

        let rec bisect k low high =
            let middle = low + (high - low) / 2.0

            if not (low < middle && middle < high) then
                middle
            elif below diagonal offDiagonal middle > k then
                bisect k low middle
            else
                bisect k middle high

        Array.init diagonal.Length (fun k -> bisect k lowest highest)

    /// The Ritz values of k steps (α, β), in the order of the steps and all α > 0: diagonal 1/αⱼ + βⱼ₋₁/αⱼ₋₁, off-diagonal √βⱼ/αⱼ.
    let ofSteps (coefficients: struct (float * float)[]) =
        let diagonal =
            coefficients
            |> Array.mapi (fun j (struct (alpha, _)) ->
                if j = 0 then
                    1.0 / alpha
                else
                    let struct (previousAlpha, previousBeta) = coefficients[j - 1]
                    1.0 / alpha + previousBeta / previousAlpha)

        ofTridiagonal diagonal (coefficients |> Array.map (fun (struct (alpha, beta)) -> sqrt beta / alpha))
