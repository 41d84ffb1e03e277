using System.Collections;
using System.Numerics;

namespace ManyHands.Managers;

/// <summary>A call's arguments, by position and by name.</summary>
internal sealed class PythonArguments(string method, PythonTuple positional, PythonDictionary named)
{
    /// <summary>Stands for an argument that wasn't given.</summary>
    public static readonly object Missing = new();

    /// <summary>More a list can't get by few bytes that stand for many items.</summary>
    public const int MostItems = 1 << 24;

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

    /// <summary>Sorts those that can only be given by name.</summary>
    public object?[] Names(params ReadOnlySpan<string> parameters) =>
        positional.Count == 0 ? Bind(0, parameters) : throw PythonRaisedException.Builtin("TypeError", $"{method}() takes no positional arguments");

    /// <summary>One argument by position at most, and any names.</summary>
    public (object? First, PythonDictionary Named) OneAndNames() => positional.Count <= 1
        ? (positional.Count == 1 ? positional[0] : Missing, named)
        : throw PythonRaisedException.Builtin("TypeError", $"{method}() takes at most 1 argument but {positional.Count} were given");

    /// <summary>The same arguments for another method.</summary>
    public PythonArguments As(string other) => new(other, positional, named);

    /// <summary>The items of what can be gone through.</summary>
    public static IEnumerable<object?> Items(object? value) => value switch
    {
        PythonTuple or List<object?> => (IReadOnlyList<object?>)value,
        PythonSet set => set,
        PythonDictionary dictionary => dictionary.Keys,
        string text => text.EnumerateRunes().Select(rune => rune.ToString()),
        byte[] bytes => bytes.Select(one => (object?)(long)one),
        PythonByteArray bytes => bytes.Bytes.ToArray().Select(one => (object?)(long)one),
        PythonRange range => ItemsOf(range),
        PythonIterator iterator => iterator.Items,
        Array => PythonArrays.Items(value),
        _ => throw PythonRaisedException.Builtin("TypeError", $"'{PythonText.TypeOf(value)}' object is not iterable"),
    };

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

    /// <summary>How long a lock may be waited for: not at all unless it blocks, and for ever without a timeout or with one of -1.</summary>
    public TimeSpan AcquireWait(object? blocking, object? timeout)
    {
        if (!Truth(blocking, missing: true))
            return TimeSpan.Zero;
        return timeout is -1L or -1.0 ? Timeout.InfiniteTimeSpan : Wait(timeout, negativeIsNone: true);
    }

    /// <summary>An integer that fits.</summary>
    public long Integer(object? value, string what) => value switch
    {
        long number => number,
        bool truth => truth ? 1 : 0,
        BigInteger => throw PythonRaisedException.Builtin("OverflowError", $"{method}(): {what} is too large"),
        _ => throw PythonRaisedException.Builtin("TypeError", $"{method}(): {what} must be an integer, not {PythonText.TypeOf(value)}"),
    };

    private static IEnumerable<object?> ItemsOf(PythonRange range)
    {
        BigInteger count = range.Step > 0 ? ((BigInteger)range.Stop - range.Start + range.Step - 1) / range.Step : ((BigInteger)range.Start - range.Stop - range.Step - 1) / -(BigInteger)range.Step;
        if (count > MostItems)
            throw PythonRaisedException.Builtin("MemoryError", $"a list has at most {MostItems:N0} items here");
        for (long i = 0; i < count; i++)
            yield return range.Start + (i * range.Step);
    }
}
