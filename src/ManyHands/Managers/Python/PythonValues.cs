using System.Globalization;

namespace ManyHands.Managers;

/// <summary>Bounds are None or plain values without items.</summary>
internal sealed record PythonSlice(object? Start, object? Stop, object? Step)
{
    public override string ToString() => PythonText.Of(this);
}

/// <summary>What goes through a list, once: <c>iter(list)</c>.</summary>
internal sealed record PythonIterator(PythonList Items)
{
    public override string ToString() => PythonText.Of(this);
}

internal sealed record PythonRange(long Start, long Stop, long Step);

/// <summary>A difference to UTC, and what it is called, if it is.</summary>
internal sealed record PythonZone(TimeSpan Offset, string? Name)
{
    /// <summary>Python has no larger ones.</summary>
    public static bool IsOffset(TimeSpan offset) => offset.Duration() < TimeSpan.FromDays(1);

    public override string ToString() => $"{(Offset < TimeSpan.Zero ? '-' : '+')}{Offset.Duration():c}{(Name is null ? "" : $" named '{Name}'")}";
}

/// <summary>
/// A datetime that neither DateTime nor DateTimeOffset holds: the second of two equal times at the end of summer time (<c>fold=1</c>), one whose zone has seconds, a name, or more than 14 hours, or whose instant lies beyond the
/// calendar. Equal by its instant, as in Python.
/// </summary>
internal sealed record PythonDateTime(DateTime Time, PythonZone? Zone, bool IsFolded)
{
    public override string ToString() => $"datetime {Time:yyyy-MM-dd HH:mm:ss.ffffff}{Zone}{(IsFolded ? " with fold=1" : "")}";
}

/// <summary>A time with a zone, or with <c>fold=1</c>.</summary>
internal sealed record PythonTime(TimeOnly Time, PythonZone? Zone, bool IsFolded)
{
    public override string ToString() => $"time {Time:HH:mm:ss.ffffff}{Zone}{(IsFolded ? " with fold=1" : "")}";
}

/// <summary>A Decimal that no .NET decimal holds: NaN, an infinity, or one of more digits or of a positive exponent.</summary>
internal sealed record PythonDecimal(string Text)
{
    private const int MostDigits = 29;

    public bool IsNaN => Text.Contains("nan", StringComparison.OrdinalIgnoreCase);

    /// <summary>The number as it is, with its zeros at the end and the sign of its zero; null if it is none.</summary>
    public static object? Read(string text)
    {
        if (Parse(text) is not { } parts)
            return IsSpecial(text) ? new PythonDecimal(text) : null;
        return parts.Exponent is <= 0 and >= -28 && Compose(parts.IsNegative, parts.Digits, (int)parts.Exponent) is { } exact ? exact : new PythonDecimal(text);
    }

    /// <summary>As Python reads it back: <c>ToString</c> leaves out the sign of a zero.</summary>
    public static string Write(decimal number) => decimal.IsNegative(number) && number == 0 ? $"-{decimal.Negate(number).ToString(CultureInfo.InvariantCulture)}" : number.ToString(CultureInfo.InvariantCulture);

    /// <summary>A decimal that is equal to it, whatever it looks like; null if there is none.</summary>
    public decimal? ToDecimal()
    {
        if (Parse(Text) is not { } parts)
            return null;
        string digits = parts.Digits;
        long exponent = parts.Exponent;
        if (digits.Length == 0)
            return Compose(parts.IsNegative, "", (int)Math.Clamp(exponent, -28, 0));
        int zeros = digits.Length - digits.AsSpan().TrimEnd('0').Length;
        int spare = (int)Math.Clamp(-28 - exponent, 0, zeros);
        digits = digits[..^spare];
        exponent += spare;
        if (exponent > 0 && exponent + digits.Length <= MostDigits)
            (digits, exponent) = (digits + new string('0', (int)exponent), 0);
        return exponent is <= 0 and >= -28 ? Compose(parts.IsNegative, digits, (int)exponent) : null;
    }

    // Its sign, its digits without zeros before them, and the exponent of the last.
    private static (bool IsNegative, string Digits, long Exponent)? Parse(string text)
    {
        ReadOnlySpan<char> rest = text;
        bool isNegative = rest is ['-', ..];
        if (rest is ['-' or '+', ..])
            rest = rest[1..];
        int split = rest.IndexOfAny('e', 'E');
        long exponent = 0;
        if (split >= 0 && (!long.TryParse(rest[(split + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent) || Int128.Abs(exponent) > long.MaxValue / 2))
            return null;
        ReadOnlySpan<char> number = split >= 0 ? rest[..split] : rest;
        int point = number.IndexOf('.');
        string digits = point < 0 ? number.ToString() : string.Concat(number[..point], number[(point + 1)..]);
        if (digits.Length == 0 || digits.AsSpan().ContainsAnyExceptInRange('0', '9'))
            return null;
        return (isNegative, digits.TrimStart('0'), exponent - (point < 0 ? 0 : number.Length - point - 1));
    }

    private static bool IsSpecial(string text)
    {
        string bare = text.TrimStart('+', '-').ToUpperInvariant();
        return text.Length - bare.Length <= 1 && (bare is "INF" or "INFINITY" || (bare.TrimEnd("0123456789".ToCharArray()) is "NAN" or "SNAN"));
    }

    private static decimal? Compose(bool isNegative, string digits, int exponent)
    {
        if (digits.Length > MostDigits)
            return null;
        Int128 number = digits.Length == 0 ? 0 : Int128.Parse(digits, CultureInfo.InvariantCulture);
        return number >> 96 == 0 ? new decimal((int)(uint)(number & uint.MaxValue), (int)(uint)((number >> 32) & uint.MaxValue), (int)(uint)(number >> 64), isNegative, (byte)-exponent) : null;
    }
}

/// <summary>A Python exception as data: its class by name, never looked up, its arguments, and its other attributes.</summary>
internal sealed record PythonError(string Module, string Name, PythonTuple Arguments)
{
    /// <summary>Attributes by name, notes among them; null or empty for almost all.</summary>
    public PythonDictionary? State { get; set; }

    public string Type => Module == "builtins" ? Name : $"{Module}.{Name}";

    /// <summary>By what it was made with; its other attributes are no part of what it says.</summary>
    public bool Equals(PythonError? other) => other is not null && Module == other.Module && Name == other.Name && Arguments.Equals(other.Arguments);

    public override int GetHashCode() => HashCode.Combine(Module, Name, Arguments);

    public static PythonError Builtin(string name, params object?[] arguments) => new("builtins", name, new(arguments));

    public override string ToString() => $"{Type}{PythonText.Of(Arguments)}";
}

/// <summary>What names an object of a manager: its type, where it is served (a text, or a tuple of host and port), and which it is. Nobody dials that address.</summary>
internal sealed record PythonToken(string TypeId, object? Address, string Id)
{
    public override string ToString() => $"Token({PythonText.Of(TypeId)}, {PythonText.Of(Address)}, {PythonText.Of(Id)})";
}

/// <summary>A proxy that was sent as a value.</summary>
/// <param name="ProxyType">AutoProxy, ListProxy and so on.</param>
/// <param name="Exposed">The names of its methods; null where the proxy's class knows them.</param>
internal sealed record PythonProxyReference(string ProxyType, PythonToken Token, IReadOnlyList<string>? Exposed)
{
    public override string ToString() => $"{ProxyType} of {Token}";
}
