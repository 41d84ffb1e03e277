using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>Between the fields of a struct may be bytes that belong to none, and two copies of one value may differ there. To a shared value they are the same.</summary>
public sealed unsafe class PaddedValueTests : LeakChecked
{
    private static readonly byte[] Fillers = [0xAA, 0x00, 0x55, 0xFF, 0x11];
    private static int turn;

    private delegate void Set<T>(ref T place, int number);

    [Fact]
    public void Structs_OfAllLayouts_AreComparedByTheirFields()
    {
        Check(static (ref place, number) => (place.Small, place.Large) = ((byte)number, number), default(ByteAndInt));
        Check(static (ref place, number) => (place.Large, place.Small) = ((short)number, (byte)number), default(ShortAndByte));
        Check(static (ref place, number) => (place.Inner.Small, place.Inner.Large, place.Number, place.Last) = ((byte)number, number, number, (byte)number), default(Nested));
        Check(static (ref place, number) => (place.First, place.Number) = ((byte)number, number), default(Explicit));
        Check(static (ref place, number) => (place.IsLong, place.Number) = (true, number), default(Union));
        Check(static (ref place, number) => place = new(number, number), default(Pair));
        Check(static (ref place, number) => place = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.FromHours(2)).AddDays(number), default(DateTimeOffset));
        Check(static (ref place, number) => (place.Key, place.Elements[1].Small, place.Elements[2].Large) = ((byte)number, (byte)number, number), default(WithInlineArray));
        Check(static (ref place, number) => (place.Key, place.Numbers[0], place.Numbers[2]) = ((byte)number, number, number), default(WithBuffer));
        Check(static (ref place, number) => (place.Key, place.Wide) = ((byte)number, number), default(WithWide));
    }

    /// <summary>All tuples of two and three of them, most of which have gaps somewhere.</summary>
    [Fact]
    public void Tuples_OfAllLayouts_AreComparedByTheirFields()
    {
        Type[] numbers = [typeof(byte), typeof(int), typeof(long)];
        MethodInfo pair = typeof(PaddedValueTests).GetMethod(nameof(CheckPair), BindingFlags.Static | BindingFlags.NonPublic)!;
        MethodInfo triple = typeof(PaddedValueTests).GetMethod(nameof(CheckTriple), BindingFlags.Static | BindingFlags.NonPublic)!;
        foreach (Type first in numbers)
        {
            foreach (Type second in numbers)
            {
                Call(pair, first, second);
                foreach (Type third in numbers)
                    Call(triple, first, second, third);
            }
        }

        static void Call(MethodInfo check, params Type[] types) => check.MakeGenericMethod(types).Invoke(null, BindingFlags.DoNotWrapExceptions, null, null, null);
    }

    /// <summary>A byte of storage that has no field, in a type that says how large it is, is a part of the value.</summary>
    [Fact]
    public void Storage_WithoutFields_IsCompared()
    {
        using SharedValue<Storage> value = new();
        Storage one = default;
        ((byte*)&one)[23] = 1;
        Assert.Equal(0, Last(value.CompareExchange(one, default)));
        Assert.Equal(1, Last(value.CompareExchange(default, default)));
        Assert.Equal(1, Last(value.Value));

        static byte Last(Storage storage) => ((byte*)&storage)[23];
    }

    [Fact]
    public void Threads_LoseNoChange()
    {
        const int Each = 20_000;
        Set<ByteAndInt> set = static (ref place, number) => (place.Small, place.Large) = (0, number);
        using SharedValue<ByteAndInt> small = new(Made(set, 0));
        using SharedValue<Pair> large = new();
        using SharedValue<DateTimeOffset> time = new();
        Thread[] threads = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < Each; i++)
            {
                ByteAndInt seen = small.Value;
                while (true)
                {
                    ByteAndInt before = small.CompareExchange(Made(set, seen.Large + 1), Made(set, seen.Large));
                    if (before.Large == seen.Large)
                        break;
                    seen = before;
                }

                Pair old = large.Value;
                while (true)
                {
                    Pair before = large.CompareExchange(old with { Large = old.Large + 1 }, old);
                    if (before == old)
                        break;
                    old = before;
                }

                time.Update(static before => before.AddTicks(1));
            }
        }))];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        Assert.Equal((3 * Each, 3 * Each, 3 * Each), (small.Value.Large, large.Value.Large, time.Value.Ticks));
    }

    private static void CheckPair<T1, T2>()
        where T1 : unmanaged, System.Numerics.INumber<T1>
        where T2 : unmanaged, System.Numerics.INumber<T2> =>
        Check(static (ref place, number) => (place.Item1, place.Item2) = (T1.CreateChecked(number), T2.CreateChecked(number)), default((T1, T2)));

    private static void CheckTriple<T1, T2, T3>()
        where T1 : unmanaged, System.Numerics.INumber<T1>
        where T2 : unmanaged, System.Numerics.INumber<T2>
        where T3 : unmanaged, System.Numerics.INumber<T3> =>
        Check(static (ref place, number) => (place.Item1, place.Item2, place.Item3) = (T1.CreateChecked(number), T2.CreateChecked(number), T3.CreateChecked(number)), default((T1, T2, T3)));

    private static void Check<T>(Set<T> set, T type)
        where T : unmanaged
    {
        string name = typeof(T).ToString();
        using SharedValue<T> value = new(type);
        value.Exchange(Made(set, 1));
        int calls = 0;
        value.Update(before => ++calls > 9 || !IsOf(set, before, 1) ? throw new InvalidOperationException($"{name}: call {calls}") : Made(set, 2));
        Assert.True(calls == 1, $"{name}: the function was called {calls} times");
        Assert.True(IsOf(set, value.CompareExchange(Made(set, 3), Made(set, 9)), 2) && IsOf(set, value.Value, 2), $"{name}: set though it was another");
        Assert.True(IsOf(set, value.CompareExchange(Made(set, 3), Made(set, 2)), 2), $"{name}: was another");
        Assert.True(IsOf(set, value.Value, 3), $"{name}: not set");
        Assert.True(IsOf(set, value.Exchange(Made(set, 4)), 3) && IsOf(set, value.Value, 4), $"{name}: not exchanged");
    }

    // By field, and something else between them each time.
    private static T Made<T>(Set<T> set, int number)
        where T : unmanaged
    {
        byte* place = stackalloc byte[sizeof(T)];
        new Span<byte>(place, sizeof(T)).Fill(HasFreeBytes<T>() ? (byte)0 : Fillers[(uint)Interlocked.Increment(ref turn) % Fillers.Length]);
        set(ref *(T*)place, number);
        return *(T*)place;
    }

    // Two pieces of memory are the same after their fields were set if they were before.
    private static bool IsOf<T>(Set<T> set, T value, int number)
        where T : unmanaged
    {
        T same = value;
        set(ref same, number);
        return new ReadOnlySpan<byte>(&value, sizeof(T)).SequenceEqual(new(&same, sizeof(T)));
    }

    // Elements that the checks above leave alone.
    private static bool HasFreeBytes<T>() => typeof(T) == typeof(WithInlineArray) || typeof(T) == typeof(WithBuffer);

    internal struct ByteAndInt
    {
        public byte Small;
        public int Large;
    }

    internal struct ShortAndByte
    {
        public short Large;
        public byte Small;
    }

    internal struct Nested
    {
        public ByteAndInt Inner;
        public long Number;
        public byte Last;
    }

    [StructLayout(LayoutKind.Explicit)]
    internal struct Explicit
    {
        [FieldOffset(1)]
        public byte First;

        [FieldOffset(8)]
        public long Number;
    }

    [StructLayout(LayoutKind.Explicit)]
    internal struct Union
    {
        [FieldOffset(0)]
        public bool IsLong;

        [FieldOffset(8)]
        public long Number;

        [FieldOffset(8)]
        public byte Byte;
    }

    [StructLayout(LayoutKind.Sequential, Size = 24)]
    internal struct Storage
    {
        public int Number;
    }

    internal readonly record struct Pair(int Small, long Large);

    [InlineArray(3)]
    internal struct Three
    {
        private ByteAndInt first;
    }

    internal struct WithInlineArray
    {
        public byte Key;
        public Three Elements;
    }

    internal struct WithBuffer
    {
        public byte Key;
        public fixed int Numbers[3];
    }

    internal struct WithWide
    {
        public byte Key;
        public Int128 Wide;
    }
}
