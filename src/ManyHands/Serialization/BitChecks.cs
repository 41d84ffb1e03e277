using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace ManyHands.Serialization;

/// <summary>Says of bits whether they are values of one of the runtime's own types.</summary>
internal abstract class BitCheck(Refusal? whyNotInPlace)
{
    /// <inheritdoc cref="BitPatterns.WhyNotInPlace"/>
    public Refusal? WhyNotInPlace => whyNotInPlace;

    /// <param name="first">The first of them.</param>
    /// <param name="stride">How many bytes from each to the next.</param>
    /// <param name="count">How many.</param>
    public abstract bool AreValues(ref byte first, int stride, int count);
}

/// <inheritdoc/>
internal sealed class BitCheck<TBits>(Refusal? whyNotInPlace) : BitCheck(whyNotInPlace)
    where TBits : struct, IBits
{
    public override bool AreValues(ref byte first, int stride, int count)
    {
        if (typeof(TBits) == typeof(BooleanBits) && stride == 1)
            return !MemoryMarshal.CreateReadOnlySpan(ref first, count).ContainsAnyExceptInRange((byte)0, (byte)1);
        for (int i = 0; i < count; i++)
        {
            if (!TBits.AreValue(ref Unsafe.Add(ref first, (nint)i * stride)))
                return false;
        }

        return true;
    }
}

/// <summary>The bits of one type. What the type's own members do before they use its bits is all that may be called.</summary>
internal interface IBits
{
    /// <summary>Whether those from here on are one of its values.</summary>
    static abstract bool AreValue(ref byte at);
}

internal readonly struct BooleanBits : IBits
{
    public static bool AreValue(ref byte at) => at <= 1;
}

/// <summary>The sign, the scale and 16 bits of nothing come first, as in the DECIMAL of OLE; the rest is a number.</summary>
internal readonly struct DecimalBits : IBits
{
    private const uint Nothing = 0x7F00_FFFF;
    private const uint Scale = 0x00FF_0000;
    private const uint LargestScale = 28 << 16;

    public static bool AreValue(ref byte at)
    {
        uint flags = Unsafe.ReadUnaligned<uint>(ref at);
        return (flags & Nothing) == 0 && (flags & Scale) <= LargestScale;
    }
}

/// <summary>The two highest bits are the kind, and there are four; the rest are ticks.</summary>
internal readonly struct DateTimeBits : IBits
{
    public static bool AreValue(ref byte at) => (ulong)Unsafe.ReadUnaligned<DateTime>(ref at).Ticks <= (ulong)DateTime.MaxValue.Ticks;
}

/// <summary>The moment as a date without a kind, and the offset; neither may lead out of the calendar.</summary>
internal readonly struct DateTimeOffsetBits : IBits
{
    private const int LargestOffset = 14 * 60;
    private static readonly int Moment = Array.Find(FieldLayout.Of(typeof(DateTimeOffset)), static field => field.Field.FieldType == typeof(DateTime)).Offset;
    private static readonly DateTimeKind Kind = MomentOf(ref Unsafe.As<DateTimeOffset, byte>(ref Unsafe.AsRef(in DateTimeOffset.UnixEpoch))).Kind;

    public static bool AreValue(ref byte at)
    {
        DateTime moment = MomentOf(ref at);
        int offset = Unsafe.ReadUnaligned<DateTimeOffset>(ref at).TotalOffsetMinutes;
        return offset is >= -LargestOffset and <= LargestOffset
            && (ulong)moment.Ticks <= (ulong)DateTime.MaxValue.Ticks
            && (ulong)(moment.Ticks + (offset * TimeSpan.TicksPerMinute)) <= (ulong)DateTime.MaxValue.Ticks
            && moment.Kind == Kind;
    }

    private static DateTime MomentOf(ref byte at) => Unsafe.ReadUnaligned<DateTime>(ref Unsafe.Add(ref at, Moment));
}

internal readonly struct DateOnlyBits : IBits
{
    public static bool AreValue(ref byte at) => (uint)Unsafe.ReadUnaligned<DateOnly>(ref at).DayNumber <= (uint)DateOnly.MaxValue.DayNumber;
}

internal readonly struct TimeOnlyBits : IBits
{
    public static bool AreValue(ref byte at) => (ulong)Unsafe.ReadUnaligned<TimeOnly>(ref at).Ticks <= (ulong)TimeOnly.MaxValue.Ticks;
}

internal readonly struct RuneBits : IBits
{
    public static bool AreValue(ref byte at) => Rune.IsValid(Unsafe.ReadUnaligned<Rune>(ref at).Value);
}
