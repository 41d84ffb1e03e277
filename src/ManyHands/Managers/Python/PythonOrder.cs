using System.Numerics;

namespace ManyHands.Managers;

/// <summary>Which of two of Python's values is less, as <c>sort</c> asks.</summary>
internal sealed class PythonOrder : IComparer<object?>
{
    public static readonly PythonOrder Instance = new();

    private const int Deepest = 250;

    /// <exception cref="PythonRaisedException">They have no order.</exception>
    public int Compare(object? x, object? y) => Compare(x, y, 0);

    private static int Compare(object? x, object? y, int depth)
    {
        if (depth > Deepest)
            throw PythonRaisedException.Builtin("RecursionError", "maximum recursion depth exceeded in comparison");
        switch (x, y)
        {
            case (long one, long other):
                return one.CompareTo(other);
            case (string one, string other):
                return CompareTexts(one, other);
            case (byte[] one, byte[] other):
                return one.AsSpan().SequenceCompareTo(other);
            case (PythonTuple or List<object?>, PythonTuple or List<object?>) when x is PythonTuple == y is PythonTuple:
                return CompareRows((IReadOnlyList<object?>)x, (IReadOnlyList<object?>)y, depth);
            case (DateTime or DateTimeOffset or PythonDateTime, DateTime or DateTimeOffset or PythonDateTime):
                return CompareTimes(PythonTimes.Instant(x), PythonTimes.Instant(y), "datetimes");
            case (TimeOnly or PythonTime, TimeOnly or PythonTime):
                return CompareTimes(PythonTimes.OfDay(x), PythonTimes.OfDay(y), "times");
            case (DateOnly one, DateOnly other):
                return one.CompareTo(other);
            case (TimeSpan one, TimeSpan other):
                return one.CompareTo(other);
            case (Guid one, Guid other):
                return string.CompareOrdinal(one.ToString("N"), other.ToString("N"));
            case (long or double or bool or BigInteger or decimal, long or double or bool or BigInteger or decimal):
                return CompareNumbers(x, y);
            default:
                throw PythonRaisedException.Builtin("TypeError", $"'<' not supported between instances of '{PythonText.TypeOf(x)}' and '{PythonText.TypeOf(y)}'");
        }
    }

    private static int CompareTimes((bool IsAware, long Ticks) one, (bool IsAware, long Ticks) other, string what) => one.IsAware == other.IsAware
        ? one.Ticks.CompareTo(other.Ticks)
        : throw PythonRaisedException.Builtin("TypeError", $"can't compare offset-naive and offset-aware {what}");

    private static int CompareRows(IReadOnlyList<object?> one, IReadOnlyList<object?> other, int depth)
    {
        for (int i = 0; i < one.Count && i < other.Count; i++)
        {
            if (!PythonEquality.Same(one[i], other[i]))
                return Compare(one[i], other[i], depth + 1);
        }

        return one.Count.CompareTo(other.Count);
    }

    // By code points: a surrogate pair is more than what is left of the first 65,536.
    private static int CompareTexts(string one, string other)
    {
        int shared = one.AsSpan().CommonPrefixLength(other);
        if (shared == one.Length || shared == other.Length)
            return one.Length.CompareTo(other.Length);
        char left = one[shared];
        char right = other[shared];
        return char.IsSurrogate(left) != char.IsSurrogate(right) ? char.IsSurrogate(left).CompareTo(char.IsSurrogate(right)) : left.CompareTo(right);
    }

    private static int CompareNumbers(object one, object other)
    {
        if (one is double or decimal || other is double or decimal)
        {
            if (one is not double && other is not double && one is not BigInteger && other is not BigInteger)
                return Exact(one).CompareTo(Exact(other));
            return Real(one).CompareTo(Real(other));
        }

        return Whole(one).CompareTo(Whole(other));
    }

    private static decimal Exact(object number) => number switch { decimal exact => exact, long whole => whole, _ => (bool)number ? 1 : 0 };

    private static double Real(object number) => number switch { double real => real, decimal exact => (double)exact, BigInteger large => (double)large, long whole => whole, _ => (bool)number ? 1 : 0 };

    private static BigInteger Whole(object number) => number switch { BigInteger large => large, long whole => whole, _ => (bool)number ? 1 : 0 };
}
