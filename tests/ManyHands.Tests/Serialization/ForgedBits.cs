using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using ManyHands.Serialization;

namespace ManyHands.Tests.Serialization;

/// <summary>Values that no code can make, only bits: what a damaged or hostile process may put where a value should be.</summary>
internal static class ForgedBits
{
    /// <summary>Every type of the runtime of which not all bits are a value.</summary>
    public static readonly ForgedCase[] All =
    [
        new ForgedCase<bool>([false, true], [Of<bool>([2]), Of<bool>([0x80]), Of<bool>([0xFF])]),
        new ForgedCase<decimal>(
            [0m, 1.00m, -0.0m, decimal.MaxValue, decimal.MinValue, 0.0000000000000000000000000001m, -7.9228162514264337593543950335m],
            [Decimal(29 << 16), Decimal(0x00FF_0000), Decimal(1), Decimal(0x4000_0000), Decimal(0x0100_0000), Decimal(-1), Decimal(0x7FFF_FFFF)]),
        new ForgedCase<DateTime>(
            [default, DateTime.MaxValue, DateTime.MinValue, new(DateTime.MaxValue.Ticks, DateTimeKind.Utc), new(1, DateTimeKind.Local), Of<DateTime>(BitConverter.GetBytes(0xC000_0000_0000_0001))],
            [Of<DateTime>(BitConverter.GetBytes(DateTime.MaxValue.Ticks + 1)), Of<DateTime>(BitConverter.GetBytes(long.MaxValue)), Of<DateTime>(BitConverter.GetBytes(-1L))]),
        new ForgedCase<DateTimeOffset>(
            [default, DateTimeOffset.MaxValue, DateTimeOffset.MinValue, new(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(14)), new(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(-14))],
            [
                Moment(0L, 841), Moment(DateTime.MaxValue.Ticks / 2, 841), Moment(DateTime.MaxValue.Ticks / 2, -841), Moment(DateTime.MaxValue.Ticks / 2, int.MinValue), Moment(DateTime.MaxValue.Ticks + 1, 0),
                Moment(long.MaxValue, 0), Moment(-1, 0), Moment(0, -1), Moment(DateTime.MaxValue.Ticks, 1), Moment(unchecked((long)0x8000_0000_0000_0001), 0),
            ]),
        new ForgedCase<DateOnly>([default, DateOnly.MaxValue, new(2024, 2, 29)], [Int32<DateOnly>(-1), Int32<DateOnly>(DateOnly.MaxValue.DayNumber + 1), Int32<DateOnly>(int.MinValue), Int32<DateOnly>(int.MaxValue)]),
        new ForgedCase<TimeOnly>(
            [default, TimeOnly.MaxValue, new(1)],
            [Of<TimeOnly>(BitConverter.GetBytes(TimeSpan.TicksPerDay)), Of<TimeOnly>(BitConverter.GetBytes(-1L)), Of<TimeOnly>(BitConverter.GetBytes(long.MinValue)), Of<TimeOnly>(BitConverter.GetBytes(long.MaxValue))]),
        new ForgedCase<Rune>([default, new('a'), new(0xD7FF), new(0xE000), new(0x10FFFF)], [Int32<Rune>(0xD800), Int32<Rune>(0xDFFF), Int32<Rune>(0x110000), Int32<Rune>(-1), Int32<Rune>(int.MinValue)]),
    ];

    public static decimal ADecimal() => Decimal(0x00FF_0000);

    public static DateTime ADate() => Of<DateTime>(BitConverter.GetBytes(long.MaxValue));

    public static bool ABoolean() => Of<bool>([2]);

    public static T Of<T>(ReadOnlySpan<byte> bits) => Unsafe.ReadUnaligned<T>(in bits[0]);

    public static byte BitsOf(bool value) => Unsafe.As<bool, byte>(ref value);

    private static T Int32<T>(int bits) => Of<T>(BitConverter.GetBytes(bits));

    private static decimal Decimal(int flags) => Of<decimal>(MemoryMarshal.AsBytes((ReadOnlySpan<int>)[flags, 1, 2, 3]));

    // The runtime decides which of the two parts comes first.
    private static DateTimeOffset Moment(long date, int offset)
    {
        DateTimeOffset forged = DateTimeOffset.UnixEpoch;
        ref byte at = ref Unsafe.As<DateTimeOffset, byte>(ref forged);
        foreach (PlacedField field in FieldLayout.Of(typeof(DateTimeOffset)))
        {
            if (field.Field.FieldType == typeof(DateTime))
                Unsafe.WriteUnaligned(ref Unsafe.Add(ref at, field.Offset), date);
            else if (field.Size == sizeof(int))
                Unsafe.WriteUnaligned(ref Unsafe.Add(ref at, field.Offset), offset);
            else
                Unsafe.WriteUnaligned(ref Unsafe.Add(ref at, field.Offset), (short)offset);
        }

        return forged;
    }
}

/// <summary>One such type: values from its limits, and bits that are none.</summary>
internal abstract class ForgedCase
{
    public abstract Type Type { get; }

    /// <summary>Has the examiner look at the type, which it then knows.</summary>
    public abstract void Examine(IForgedExaminer examiner);
}

/// <inheritdoc/>
internal sealed class ForgedCase<T>(T[] values, T[] forged) : ForgedCase
    where T : unmanaged
{
    public T[] Values => values;

    public T[] Forged => forged;

    public override Type Type => typeof(T);

    public override void Examine(IForgedExaminer examiner) => examiner.Examine(this);
}

internal interface IForgedExaminer
{
    void Examine<T>(ForgedCase<T> one)
        where T : unmanaged;
}

internal struct Around<T>
{
    public byte Before;
    public T Inner;
    private int after;

    public Around(T inner)
    {
        Before = 0xFF;
        Inner = inner;
        after = -1;
    }

    public readonly int After => after;
}

[InlineArray(5)]
internal struct FiveOf<T>
{
    private T first;
}

internal unsafe struct FixedFlags
{
    public int Number;
    public fixed bool All[7];
    public byte Last;
}

[StructLayout(LayoutKind.Explicit)]
internal struct NumberOrFlag
{
    [FieldOffset(0)]
    public int Number;

    [FieldOffset(0)]
    public bool Flag;
}

[StructLayout(LayoutKind.Explicit)]
internal struct TwoNumbers
{
    [FieldOffset(0)]
    public long Whole;

    [FieldOffset(4)]
    public uint Half;
}

internal unsafe struct WithPointer(int number, byte* address)
{
    public int Number = number;
    public byte* Address = address;
}

internal unsafe struct WithFunction(delegate*<void> function)
{
    public delegate*<void> Function = function;
}

internal struct Tick(double price, bool isLast, DayOfWeek day, int? volume)
{
    public double Price = price;
    public bool IsLast = isLast;
    public DayOfWeek Day = day;
    public int? Volume = volume;
}
