// The smallest number of steps whose error is at most a target, by running the iteration: no formula gives it.

namespace Imaml.Theory

[<RequireQualifiedAccess>]
module SmallestCount =

    /// n ≥ 1 with error(n) ≤ target < error(n − 1), or 1; the smallest n where the error falls with n. `errors` maps n to the errors after
    /// n − 1 and after n steps; `guess` is where the search begins. At most `most`, where that is not enough either.
    ///
    /// Each guess extrapolates the last step's rate of decay, and a bisection takes over where that leads out of what is known.
    let find (errors: int -> struct (float * float)) (target: float) (guess: int) (most: int) =
        // error(below) > target, error(above) ≤ target.
        let rec search below above n =
            let struct (before, after) = errors n

            if after > target then step n above (before, after) n
            elif n = 1 || before > target then n
            else step below (n - 1) (before, after) n

        and step below above (before, after) n =
            if above - below <= 1 then
                above
            else
                let decay = log (before / after)
                let further = ceil (log (after / target) / decay)
                let next = float n + further

                if next > float below && next < float above then
                    search below above (int next)
                elif above < most then
                    search below above ((below + above) / 2)
                else
                    // Nothing is known above: twice as many.
                    search below above (min (2 * below + 1) (most - 1) |> max (below + 1))

        search 0 most (min guess most |> max 1)
