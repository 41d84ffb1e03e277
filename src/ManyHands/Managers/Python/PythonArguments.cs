using System.Collections;
using System.Numerics;

namespace ManyHands.Managers;

/// <summary>A call's arguments, by position and by name.</summary>
internal sealed class PythonArguments(string method, PythonTuple positional, PythonDictionary named)
{
    /// <summary>Stands for an argument that wasn't given.</summary>
    public static readonly object Missing = new();

    /// <summary>From here on the clock of Python's own waits overflows.</summary>
    private const double LongestSeconds = 9_223_372_036;

    /// <summary>Longer waits than this are as good as endless: 30 years.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30 * 365);

    public string Method => method;

    public int Count => positional.Count + named.Count;

    /// <summary>Sorts them to their parameters, as Python does.</summary>
    /// <param name="required">How many of the first parameters must be given.</param>
    /// <exception cref="PythonRaisedException">They don't fit.</exception>
    public object?[] Bind(int required, params ReadOnlySpan<string> parameters)
    {
        if (positional.Count > parameters.Length)
            throw PythonRaisedException.Builtin("TypeError", $"{method}() takes {parameters.Length} positional arguments but {positional.Count} were given");
        object?[] bound = new object?[parameters.Length];
        Array.Fill(bound, Missing);
        for (int index = 0; index < positional.Count; index++)
            bound[index] = positional[index];
        foreach ((object? key, object? value) in named)
        {
            int index = parameters.IndexOf((string)key!);
            if (index < 0)
                throw PythonRaisedException.Builtin("TypeError", $"{method}() got an unexpected keyword argument {PythonText.Of(key)}");
            if (bound[index] != Missing)
                throw PythonRaisedException.Builtin("TypeError", $"{method}() got multiple values for argument '{parameters[index]}'");
            bound[index] = value;
        }

        for (int index = 0; index < required; index++)
        {
            if (bound[index] == Missing)
                throw PythonRaisedException.Builtin("TypeError", $"{method}() missing 1 required positional argument: '{parameters[index]}'");
        }

        return bound;
    }

    /// <summary>No arguments are allowed.</summary>
    public void None() => Bind(0);

    /// <summary>What Python takes for true; what is missing is as given.</summary>
    public static bool Truth(object? value, bool missing) => value switch
    {
        null => false,
        _ when value == Missing => missing,
        bool truth => truth,
        long number => number != 0,
        double number => number != 0,
        BigInteger number => !number.IsZero,
        string text => text.Length > 0,
        ICollection items => items.Count > 0,
        IReadOnlyCollection<object?> items => items.Count > 0,
        PythonDictionary items => items.Count > 0,
        _ => true,
    };

    /// <summary>How long a call may wait: for ever without a timeout.</summary>
    /// <param name="negativeIsNone">Whether a negative time is none, as for most that waits; else it is refused, as for queues.</param>
    public TimeSpan Wait(object? timeout, bool negativeIsNone = false)
    {
        if (timeout is null || timeout == Missing)
            return Timeout.InfiniteTimeSpan;
        double seconds = timeout switch
        {
            double real => real,
            long whole => whole,
            bool truth => truth ? 1 : 0,
            BigInteger large => (double)large,
            decimal exact => (double)exact,
            _ => throw PythonRaisedException.Builtin("TypeError", $"{method}(): a timeout is a number of seconds or None, not a {PythonText.TypeOf(timeout)}"),
        };
        if (double.IsNaN(seconds))
            throw PythonRaisedException.Builtin("ValueError", "Invalid value NaN (not a number)");
        if (seconds < 0)
            return negativeIsNone ? TimeSpan.Zero : throw PythonRaisedException.Builtin("ValueError", "'timeout' must be a non-negative number");
        if (seconds > LongestSeconds)
            throw PythonRaisedException.Builtin("OverflowError", "timeout value is too large");
        return seconds >= Longest.TotalSeconds ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(seconds);
    }

    /// <summary>An integer that fits.</summary>
    public long Integer(object? value, string what) => value switch
    {
        long number => number,
        bool truth => truth ? 1 : 0,
        BigInteger => throw PythonRaisedException.Builtin("OverflowError", $"{method}(): {what} is too large"),
        _ => throw PythonRaisedException.Builtin("TypeError", $"{method}(): {what} must be an integer, not {PythonText.TypeOf(value)}"),
    };
}
