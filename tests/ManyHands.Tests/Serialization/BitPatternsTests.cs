using System.Collections.Immutable;
using System.Numerics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Serialization;

/// <summary>Bits that another process wrote become a value only if they are one, by whatever way they come.</summary>
public sealed class BitPatternsTests
{
    // All that can be done with any bits of these is as good as with any other; whoever adds one says so here too.
    private static readonly HashSet<Type> KnownToBeWhole =
    [
        typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(int), typeof(uint), typeof(long), typeof(ulong), typeof(char), typeof(float), typeof(double),
        typeof(Guid), typeof(TimeSpan), typeof(Half), typeof(Int128), typeof(UInt128), typeof(Index), typeof(Range),
        typeof(Vector2), typeof(Vector3), typeof(Vector4), typeof(Quaternion), typeof(Plane), typeof(Matrix3x2), typeof(Matrix4x4), typeof(Complex),
        typeof(Vector<int>), typeof(Vector64<int>), typeof(Vector128<int>), typeof(Vector256<int>), typeof(Vector512<int>), typeof(KeyValuePair<int, int>),
    ];

    public static TheoryData<string> Types => [.. ForgedBits.All.Select(static one => one.Type.Name)];

    [Theory]
    [MemberData(nameof(Types))]
    public void Codecs_ForgedBits_AreRefused_AndEveryValueArrives(string type) => Examine(type, new CodecExaminer());

    [Theory]
    [MemberData(nameof(Types))]
    public void Structs_WithForgedBitsAnywhereInside_AreFoundOut(string type) => Examine(type, new StructExaminer());

    [Theory]
    [MemberData(nameof(Types))]
    public void SharedValue_ForgedBits_AreATypedErrorUntilItIsSet(string type) => Examine(type, new SharedValueExaminer());

    [Fact]
    public void Nullable_WhoseFlagIsForged_IsFoundOut()
    {
        Assert.False(BitPatterns<int?>.IsValue(ForgedBits.Of<int?>([2, 0, 0, 0, 7, 0, 0, 0])));
        Assert.True(BitPatterns<int?>.IsValue(ForgedBits.Of<int?>([1, 99, 99, 99, 7, 0, 0, 0])));
        Assert.True(BitPatterns<int?>.IsValue(null));
    }

    [Fact]
    public unsafe void FixedBuffer_EveryElement_IsChecked()
    {
        for (int i = 0; i < 7; i++)
        {
            FixedFlags flags = new() { Number = -1, Last = 0xFF };
            Assert.True(BitPatterns<FixedFlags>.IsValue(in flags));
            ((byte*)flags.All)[i] = 2;
            Assert.False(BitPatterns<FixedFlags>.IsValue(in flags), $"element {i}");
            Assert.False(BitPatterns<FiveOf<FixedFlags>>.AreValues(MemoryMarshal.AsBytes((ReadOnlySpan<FixedFlags>)[default, default, default, default, flags])));
        }
    }

    [Fact]
    public void Unions_OfNumbersOnly_AreTaken()
    {
        Assert.True(BitPatterns<TwoNumbers>.AreAllValues);
        Assert.Contains("shares its bytes with .Number", BitPatterns<NumberOrFlag>.WhyUnknown!.ToException(typeof(NumberOrFlag)).Message, StringComparison.Ordinal);
    }

    /// <summary>A type that a later runtime brings is refused until somebody has said what its bits may be.</summary>
    [Fact]
    public void EveryStructOfTheRuntime_IsKnown_OrHasNothingHidden_OrIsRefused()
    {
        List<string> believed = [];
        int examined = 0;
        foreach (Type definition in typeof(object).Assembly.GetExportedTypes().Append(typeof(Complex)).Append(typeof(BigInteger)))
        {
            if (!definition.IsValueType || definition.IsByRefLike || definition == typeof(void) || Closed(definition) is not { } type || IsManaged(type))
                continue;
            examined++;
            BitPatterns patterns = BitPatterns.Of(type);
            bool hides = type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic).Length > 0;
            if (patterns.AreAllValues && hides && !type.IsEnum && !KnownToBeWhole.Contains(type))
                believed.Add(type.ToString());
            if (patterns.WhyUnknown is { } refusal)
                Assert.NotEqual("", refusal.Remedy);
        }

        Assert.Empty(believed);
        Assert.InRange(examined, 200, 5000);
        Assert.All(ForgedBits.All, static one => Assert.False(BitPatterns.Of(one.Type).AreAllValues));
        Assert.NotNull(BitPatterns<HashCode>.WhyUnknown);
        Assert.NotNull(BitPatterns<GCHandle>.WhyUnknown);
    }

    /// <summary>The other half of saying so: any bits can be printed, hashed and compared.</summary>
    [Fact]
    public void TypesOfWhichAllBitsAreValues_CanBeUsedWhateverTheBits()
    {
        foreach (Type type in KnownToBeWhole)
            typeof(BitPatternsTests).GetMethod(nameof(UseAnyBits), BindingFlags.Static | BindingFlags.NonPublic)!.MakeGenericMethod(type).Invoke(null, null);
    }

    [Fact]
    public void MemoryThatOthersMayWriteAtAnyTime_TakesOnlyTypesOfWhichAllBitsAreValues()
    {
        AssertRefused<decimal>("decimal.GetBits");
        AssertRefused<DateTime>("ToBinary() as a long");
        AssertRefused<DateTimeOffset>("UtcTicks as a long");
        AssertRefused<DateOnly>("DayNumber as an int");
        AssertRefused<TimeOnly>("Ticks as a long");
        AssertRefused<System.Text.Rune>("Value as an int");
        AssertRefused<Around<(int, DateTime)>>("Around<ValueTuple<int, DateTime>>.Inner.Item2 is a DateTime");
        AssertRefused<Around<decimal?>>("Around<decimal?>.Inner.value is a decimal");
        AssertRefused<FiveOf<DateTime>>("is a DateTime");
        AssertRefused<nint>("a long if it is only a number");
        AssertRefused<WithPointer>("WithPointer.Address is a byte*, which means nothing in another process");
        AssertRefused<WithFunction>("which means nothing in another process");
        AssertRefused<HashCode>("only the runtime knows");
        AssertTaken<Tick>();
        AssertTaken<bool>();
        AssertTaken<char>();
        AssertTaken<DayOfWeek>();
        AssertTaken<(int, Guid)>();
        AssertTaken<Around<int?>>();
        AssertTaken<Vector128<float>>();
        AssertTaken<TimeSpan>();
    }

    [Fact]
    public void SharedValue_OfWhatNobodyCanCheck_IsRefused()
    {
        Assert.Contains("only the runtime knows", Assert.Throws<ArgumentException>(static () => new SharedValue<HashCode>()).Message, StringComparison.Ordinal);
        Assert.Contains("a long if it is only a number", Assert.Throws<ArgumentException>(static () => new SharedValue<nint>()).Message, StringComparison.Ordinal);
        Assert.Contains("shares its bytes", Assert.Throws<ArgumentException>(static () => new SharedValue<NumberOrFlag>()).Message, StringComparison.Ordinal);
    }

    /// <summary>Collections of booleans that the serializer reads in its own way.</summary>
    [Fact]
    public void Booleans_InCollectionsOfAnyKind_AreTrueOrFalse()
    {
        EveryBooleanIsOne<bool[,]>(new[,] { { true, false }, { true, true } }, static all => all.Cast<bool>());
        EveryBooleanIsOne<bool[][]>([[true, false], [true]], static all => all.SelectMany(static row => row));
        EveryBooleanIsOne<HashSet<bool>>([true], static all => all);
        EveryBooleanIsOne<Queue<bool>>(new([true, false, true]), static all => all);
        EveryBooleanIsOne<ImmutableList<bool>>([true, false, true], static all => all);
        EveryBooleanIsOne<ImmutableArray<bool>>([true, false, true], static all => all);
        EveryBooleanIsOne<IReadOnlyList<bool>>([true, false, true, true, false], static all => all);
        EveryBooleanIsOne<IEnumerable<bool>>([true, false, true, true, false], static all => all);
        EveryBooleanIsOne<List<bool?>>([true, null, false], static all => all.OfType<bool>());
        EveryBooleanIsOne<Dictionary<int, bool>>(new() { [1] = true, [2] = false }, static all => all.Values);
        EveryBooleanIsOne<(bool, int, bool)>((true, 2, false), static all => [all.Item1, all.Item3]);
    }

    /// <summary>What lies between the fields is whatever was there before; it must neither leave the process nor make equal values differ.</summary>
    [Fact]
    public void Padding_IsNeverSent()
    {
        DateTimeOffset clean = DateTimeOffset.UnixEpoch;
        DateTimeOffset dirty = clean;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<DateTimeOffset>(ref dirty));
        (int offset, int count) = Assert.Single(BitPatterns.Of(typeof(DateTimeOffset)).Padding);
        bytes.Slice(offset, count).Fill(0xAA);
        Assert.Equal(clean, dirty);
        Assert.Equal(Journey.BytesOf(clean), Journey.BytesOf(dirty));
        Assert.Equal(Journey.BytesOf<DateTimeOffset[]>([clean, clean]), Journey.BytesOf<DateTimeOffset[]>([dirty, dirty]));
        Assert.Equal(Journey.BytesOf<List<DateTimeOffset>>([clean]), Journey.BytesOf<List<DateTimeOffset>>([dirty]));
    }

    private static void Examine(string type, IForgedExaminer examiner) => Array.Find(ForgedBits.All, one => one.Type.Name == type)!.Examine(examiner);

    private static Type? Closed(Type definition)
    {
        if (!definition.IsGenericTypeDefinition)
            return definition;
        try
        {
            return definition.MakeGenericType([.. definition.GetGenericArguments().Select(static argument => argument.GetGenericParameterConstraints().Length == 0 ? typeof(int) : typeof(DayOfWeek))]);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static bool IsManaged(Type type) =>
        (bool)typeof(RuntimeHelpers).GetMethod(nameof(RuntimeHelpers.IsReferenceOrContainsReferences))!.MakeGenericMethod(type).Invoke(null, null)!;

    private static void UseAnyBits<T>()
        where T : unmanaged
    {
        Assert.True(BitPatterns<T>.AreAllValues, typeof(T).Name);
        Random random = new(5);
        byte[] bits = new byte[Unsafe.SizeOf<T>()];
        for (int i = 0; i < 200; i++)
        {
            random.NextBytes(bits);
            if (i < 2)
                Array.Fill(bits, i == 0 ? (byte)0xFF : (byte)0x80);
            T value = ForgedBits.Of<T>(bits);
            _ = (value.ToString(), value.GetHashCode(), value.Equals(value));
        }
    }

    private static void AssertRefused<T>(string message)
        where T : unmanaged
    {
        Assert.Contains(message, Assert.Throws<ArgumentException>(static () => new SharedArray<T>(1)).Message, StringComparison.Ordinal);
        using SharedMemory memory = new(4096);
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => memory.At<T>(0)).Message, StringComparison.Ordinal);
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => memory.SpanOf<T>(0, 1)).Message, StringComparison.Ordinal);

        // Nor does one come from a process that has made it all the same.
        using SharedArray<byte> bytes = new(4096);
        SharedReference reference = SharedObjects.Refer(bytes);
        Assert.Throws<ArgumentException>(() => SharedObjects.Attach<SharedArray<T>>(in reference));
    }

    private static void AssertTaken<T>()
        where T : unmanaged
    {
        using SharedArray<T> array = new([default(T)]);
        Assert.Equal(default, array[0]);
        using SharedMemory memory = new(4096);
        Assert.Equal(default, memory.At<T>(0));
    }

    private static void EveryBooleanIsOne<T>(T value, Func<T, IEnumerable<bool>> booleansOf)
    {
        byte[] bytes = Journey.BytesOf(new Holder<T>(1, value, 2));
        for (int place = sizeof(int); place < bytes.Length; place++)
        {
            byte before = bytes[place];
            for (int other = 0; other < 256; other++)
            {
                bytes[place] = (byte)other;
                try
                {
                    foreach (bool one in booleansOf(Journey.Read<Holder<T>>(bytes).Value))
                        Assert.InRange(ForgedBits.BitsOf(one), 0, 1);
                }
                catch (Exception refusal) when (refusal is InvalidPayloadException or NullReferenceException)
                {
                    // No such value; or none at all, which is one as well.
                }
            }

            bytes[place] = before;
        }
    }

    private sealed class CodecExaminer : IForgedExaminer
    {
        public void Examine<T>(ForgedCase<T> one)
            where T : unmanaged
        {
            foreach (T forged in one.Forged)
            {
                IsRefused(forged);
                IsRefused<T[]>([one.Values[0], forged]);
                IsRefused<T[]>([forged, .. new T[1000]]);
                IsRefused<T[]>([.. new T[1000], forged]);
                IsRefused(new Memory<T>([forged]));
                IsRefused(new ReadOnlyMemory<T>([one.Values[1], forged]));
                NeverArrives<List<T>, T>([forged], static all => all);
                NeverArrives<ImmutableArray<T>, T>([one.Values[0], forged], static all => all);
                NeverArrives<T?, T>(forged, static some => [some!.Value]);
                NeverArrives<(int, T), T>((1, forged), static pair => [pair.Item2]);
                NeverArrives<Dictionary<int, T>, T>(new() { [1] = forged }, static all => all.Values);
                NeverArrives<T[][], T>([[], [forged]], static all => all[1]);
            }

            foreach (T value in one.Values)
                Journey.ArrivesEqual(value);
            Journey.ArrivesEqual(one.Values);
            Journey.ArrivesEqual<List<T>>([.. one.Values]);
            Journey.ArrivesEqual(new Memory<T>(one.Values).ToArray());
            Journey.ArrivesEqual((one.Values[^1], 1));
        }

        private static void IsRefused<T>(T forged)
        {
            byte[] bytes = Journey.BytesOf(forged);
            Assert.Throws<InvalidPayloadException>(() => Journey.Read<T>(bytes));
        }

        // Some ways write members rather than bits, and make a value of what is none.
        private static void NeverArrives<T, TPart>(T forged, Func<T, IEnumerable<TPart>> partsOf)
            where TPart : unmanaged
        {
            try
            {
                Assert.All(partsOf(Journey.Of(forged)), static part => Assert.True(BitPatterns<TPart>.IsValue(in part)));
            }
            catch (Exception refusal) when (refusal is InvalidPayloadException or UnsendableValueException)
            {
                // As it should be.
            }
        }
    }

    private sealed class StructExaminer : IForgedExaminer
    {
        public void Examine<T>(ForgedCase<T> one)
            where T : unmanaged
        {
            foreach (T value in one.Values)
                Holds(value, expected: true);
            foreach (T forged in one.Forged)
                Holds(forged, expected: false);
        }

        private static void Holds<T>(T inner, bool expected)
            where T : unmanaged
        {
            Is(inner, expected);
            Is(new Around<T>(inner), expected);
            Is(new Around<T?>(inner), expected);
            Is(new Around<Around<T>>(new Around<T>(inner)), expected);
            Is((byte.MaxValue, inner, 'x'), expected);
            Is(new KeyValuePair<int, T>(-1, inner), expected);
            for (int i = 0; i < 5; i++)
            {
                FiveOf<T> five = default;
                five[i] = inner;
                Is(five, expected);
                FiveOf<Around<T?>> outer = default;
                outer[i] = new Around<T?>(inner);
                Is(outer, expected);
                FiveOf<FiveOf<T>> square = default;
                square[i][4 - i] = inner;
                Is(square, expected);
            }
        }

        private static void Is<T>(T value, bool expected)
            where T : unmanaged
        {
            Assert.Null(BitPatterns<T>.WhyUnknown);
            Assert.Equal(expected, BitPatterns<T>.IsValue(in value));
            Assert.Equal(expected, BitPatterns<T>.AreValues(MemoryMarshal.AsBytes((ReadOnlySpan<T>)[default, value, default])));
        }
    }

    private sealed class SharedValueExaminer : IForgedExaminer
    {
        public void Examine<T>(ForgedCase<T> one)
            where T : unmanaged
        {
            Use(one.Values, one.Forged);
            Use([.. one.Values.Select(static value => new Around<T>(value))], [.. one.Forged.Select(static value => new Around<T>(value))]);
            Use([.. one.Values.Select(static value => new Around<T?>(value))], [.. one.Forged.Select(static value => new Around<T?>(value))]);
        }

        private static void Use<T>(T[] values, T[] forged)
            where T : unmanaged
        {
            using SharedValue<T> shared = new();
            foreach (T wrong in forged)
            {
                shared.Value = wrong;
                Assert.Contains("bits", Assert.Throws<CorruptSharedMemoryException>(() => shared.Value).Message, StringComparison.Ordinal);
                Assert.Throws<CorruptSharedMemoryException>(() => shared.CompareExchange(values[0], values[^1]));
                Assert.Throws<CorruptSharedMemoryException>(() => shared.Update(static before => before));
                Assert.Throws<CorruptSharedMemoryException>(() => shared.Exchange(values[0]));
                foreach (T value in values)
                {
                    shared.Value = value;
                    Assert.Equal(value, shared.Value);
                }
            }
        }
    }
}
