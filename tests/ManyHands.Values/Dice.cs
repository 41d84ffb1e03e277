using System.Numerics;
using System.Text;

namespace ManyHands.Values;

/// <summary>Makes values by chance, and the same ones again from the same seed, in whatever process. The edges come up more often than chance has them.</summary>
public sealed class Dice(ulong seed)
{
    private ulong state = seed;

    // What is left of the items that a value may have; without, they would be as many as levels allow.
    private int budget = 60;

    public ulong Bits()
    {
        state += 0x9E3779B97F4A7C15;
        ulong mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }

    public int Below(int bound) => (int)(Bits() % (uint)bound);

    public bool Chance(int percent) => Below(100) < percent;

    public T Pick<T>(params ReadOnlySpan<T> choices) => choices[Below(choices.Length)];

    public bool Bool() => Chance(50);

    public byte Byte() => (byte)Number();

    public sbyte SByte() => (sbyte)Number();

    public short Short() => (short)Number();

    public ushort UShort() => (ushort)Number();

    public int Int() => (int)Number();

    public uint UInt() => (uint)Number();

    public long Long() => Number();

    public ulong ULong() => (ulong)Number();

    public char Char() => Pick('a', 'Z', '\0', '\uD800', '\uDFFF', 'ü', (char)Below(65536));

    public double Double() => Pick(0.0, -0.0, double.NaN, double.Epsilon, double.NegativeInfinity, 1.5, BitConverter.Int64BitsToDouble(0x7FF8_0000_DEAD_BEEF), BitConverter.UInt64BitsToDouble(Bits()));

    public float Float() => Pick(0f, -0f, float.NaN, 2.5f, BitConverter.Int32BitsToSingle(0x7F80_0001), BitConverter.UInt32BitsToSingle((uint)Bits()));

    public Half Half() => BitConverter.UInt16BitsToHalf((ushort)Bits());

    public decimal Decimal() => new((int)Bits(), (int)Number(), (int)Number(), Bool(), (byte)Below(29));

    public Int128 Int128() => new(Bits(), Bits());

    public UInt128 UInt128() => new(Bits(), Bits());

    public Guid Guid() => new((int)Bits(), (short)Bits(), (short)Bits(), BitConverter.GetBytes(Bits()));

    public DateTime DateTime() => new((long)(Bits() % (ulong)System.DateTime.MaxValue.Ticks), Pick(DateTimeKind.Local, DateTimeKind.Utc, DateTimeKind.Unspecified));

    public DateTimeOffset DateTimeOffset() => new((long)(Bits() % (ulong)System.DateTime.UnixEpoch.Ticks) + System.TimeSpan.TicksPerDay, System.TimeSpan.FromMinutes(Below(1600) - 800));

    public TimeSpan TimeSpan() => new(Number());

    public DateOnly DateOnly() => System.DateOnly.FromDayNumber(Below(System.DateOnly.MaxValue.DayNumber));

    public TimeOnly TimeOnly() => new((long)(Bits() % (ulong)System.TimeOnly.MaxValue.Ticks));

    public DayOfWeek DayOfWeek() => (DayOfWeek)(Chance(80) ? Below(7) : (int)Number());

    public Rune Rune() => new(Pick('a', 0x1F600, 0x10FFFF, 0xD7FF));

    public Index Index() => new(Below(1000), Bool());

    public Range Range() => new(Index(), Index());

    public Complex Complex() => new(Double(), Double());

    public Vector3 Vector3() => new(Float(), Float(), Float());

    public BigInteger BigInteger() => new System.Numerics.BigInteger(Number()) * new System.Numerics.BigInteger(Number());

    public Version Version() => Chance(50) ? new(Below(9), Below(9)) : new(Below(9), Below(9), Below(9), Below(9));

    public Uri Uri() => Chance(50) ? new("https://a.example/" + Below(99)) : new("../b?c=" + Below(99), UriKind.Relative);

    public string Text()
    {
        int length = Below(Chance(90) ? 6 : 80);
        StringBuilder text = new();
        for (int index = 0; index < length; index++)
            text.Append(Chance(80) ? (char)('a' + Below(26)) : Char());
        return text.ToString();
    }

    /// <summary>Of no meaning to any culture, so that each sorts it alike.</summary>
    public string Word() => Pick("apple", "Banana", "cherry", "date", "Elder", "fig", "grape") + Below(50).ToString("000", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Several, none, or a few more.</summary>
    public List<T> Many<T>(Func<T> make)
    {
        int count = Math.Min(budget, Below(Chance(95) ? 4 : 12));
        budget -= count;
        List<T> items = new(count);
        for (int index = 0; index < count; index++)
            items.Add(make());
        return items;
    }

    /// <summary>Such as are all different.</summary>
    public List<T> Different<T>(Func<T> make)
    {
        HashSet<T> seen = [];
        return Many(make).FindAll(seen.Add);
    }

    public List<KeyValuePair<TKey, TValue>> Pairs<TKey, TValue>(Func<TKey> key, Func<TValue> value) => Different(key).ConvertAll(name => KeyValuePair.Create(name, value()));

    /// <summary>Or null, sometimes.</summary>
    public T? Maybe<T>(Func<T> make)
        where T : class => Chance(15) ? null : make();

    /// <summary>Or null, half of the time.</summary>
    public T? Half<T>(Func<T> make)
        where T : struct => Chance(50) ? null : make();

    /// <summary>Whatever bits there are.</summary>
    public unsafe T Raw<T>()
        where T : unmanaged
    {
        T value = default;
        for (int index = 0; index < sizeof(T); index++)
            ((byte*)&value)[index] = (byte)Pick(0u, 1u, 255u, (uint)Bits());
        return value;
    }

    private long Number() => Pick(0, 1, -1, 2, 1000, 127, 128, 255, 256, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue, Below(100), (long)Bits());
}

/// <summary>Makes the values of one type.</summary>
public interface IMaker<T>
{
    static abstract T Make(Dice d);
}
