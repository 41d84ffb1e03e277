using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>Python's values as the types of a program, and back. What has no counterpart is refused, naming the place in the value.</summary>
internal static class PythonConversion
{
    /// <summary>What to write where a type has no counterpart.</summary>
    public const string Instead = "send what it holds as a number, a string, bytes, or a record of such";

    private static readonly ConcurrentDictionary<Type, PythonConverter> Converters = new();

    /// <summary>A value of .NET as one of Python's.</summary>
    /// <exception cref="PythonConversionException">It has no counterpart there.</exception>
    public static object? ToPython<T>(T value) => Cache<T>.Converter.To(value, new ConversionWork());

    /// <summary>One of Python's values as a type.</summary>
    /// <param name="name">What the path in an error begins with.</param>
    /// <exception cref="PythonConversionException">It is of another type, or out of range.</exception>
    public static T FromPython<T>(object? value, string name = "value")
    {
        try
        {
            return Cache<T>.Converter.From(value, new ConversionWork());
        }
        catch (PythonConversionException problem)
        {
            throw problem.Within(name, value);
        }
    }

    public static PythonConverter Of(Type type)
    {
        if (Converters.TryGetValue(type, out PythonConverter? known))
            return known;
        return Converters.GetOrAdd(type, Make(type));
    }

    private static PythonConverter Make(Type type)
    {
        if (PythonLeafConverters.Find(type) is { } leaf)
            return leaf;
        if (type == typeof(object))
            return new AnyConverter();
        if (type.IsEnum)
            return New(typeof(EnumConverter<>), type);
        if (Nullable.GetUnderlyingType(type) is { } underlying)
            return New(typeof(NullableConverter<>), underlying);
        if (type.IsSZArray)
            return New(typeof(SequenceConverter<,>), type, type.GetElementType()!);
        if (type.IsGenericType)
        {
            Type definition = type.GetGenericTypeDefinition();
            Type[] parts = type.GetGenericArguments();
            if (SequenceKinds.IsSequence(definition))
                return New(typeof(SequenceConverter<,>), type, parts[0]);
            if (definition == typeof(Dictionary<,>) || definition == typeof(IDictionary<,>) || definition == typeof(IReadOnlyDictionary<,>))
                return New(typeof(DictionaryConverter<,,>), type, parts[0], parts[1]);
            if (typeof(ITuple).IsAssignableFrom(type) && type.Namespace == "System")
                return parts.Length <= 7 ? New(typeof(RowConverter<>), type) : throw new PythonConversionException("", $"{TypeName(type)} has more than seven items");
        }

        if (type.IsAbstract || type.IsPointer || type.IsByRefLike || type.ContainsGenericParameters || typeof(Delegate).IsAssignableFrom(type) || typeof(Exception).IsAssignableFrom(type) || typeof(System.Collections.IEnumerable).IsAssignableFrom(type) || type == typeof(ValueTuple))
            throw new PythonConversionException("", NoCounterpart(type));
        if (UnsendableTypes.Find(type) is not null)
            throw new PythonConversionException("", NoCounterpart(type));
        return New(typeof(MemberConverter<>), type);
    }

    public static string TypeName(Type type) => type.IsGenericType ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(TypeName))}>" : type.Name;

    /// <summary>Why it isn't there, and what to write instead.</summary>
    private static string NoCounterpart(Type type)
    {
        string name = ReadableName.Of(type);
        if (UnsendableTypes.Find(type) is { } refusal)
            return $"a {name} has no counterpart in Python: it {refusal.Reason}; {refusal.Remedy}";
        string instead = typeof(System.Collections.IEnumerable).IsAssignableFrom(type) ? "send its items as a List, an array, a HashSet or a Dictionary" : Instead;
        return $"a {name} has no counterpart in Python; {instead}";
    }

    private static PythonConverter New(Type definition, params Type[] parts)
    {
        try
        {
            return (PythonConverter)Activator.CreateInstance(definition.MakeGenericType(parts))!;
        }
        catch (TargetInvocationException failure) when (failure.InnerException is PythonConversionException problem)
        {
            throw new PythonConversionException(problem.Path, problem.Problem, failure);
        }
    }

    private static class Cache<T>
    {
        private static PythonConverter<T>? converter;

        public static PythonConverter<T> Converter => converter ??= (PythonConverter<T>)Of(typeof(T));
    }
}

/// <summary>What one conversion may cost: shared parts are converted as often as they come, and what contains itself has no end.</summary>
internal sealed class ConversionWork
{
    private const int Deepest = 250;
    private int depth;
    private int left = 4_000_000;

    /// <summary>Goes into a container of so many items.</summary>
    public void Enter(int count)
    {
        left -= 1 + (count >> 4);
        if (++depth > Deepest || left < 0)
            throw new PythonConversionException("", "it is too deep or too large, or contains itself");
    }

    public void Leave() => depth--;
}

/// <summary>Converts values of one type.</summary>
internal abstract class PythonConverter
{
    public abstract object? ToAny(object? value, ConversionWork work);

    public abstract object? FromAny(object? value, ConversionWork work);
}

/// <inheritdoc/>
internal abstract class PythonConverter<T> : PythonConverter
{
    public abstract object? To(T value, ConversionWork work);

    public abstract T From(object? value, ConversionWork work);

    public sealed override object? ToAny(object? value, ConversionWork work) => To((T)value!, work);

    public sealed override object? FromAny(object? value, ConversionWork work) => From(value, work);

    protected static PythonConversionException Expected(string expected, object? value) => new("", $"expected {expected}, got {PythonText.TypeOf(value)}");
}

/// <summary>Whatever it is: sent by what it is, received as it is.</summary>
internal sealed class AnyConverter : PythonConverter<object?>
{
    public override object? To(object? value, ConversionWork work)
    {
        if (value is null or PythonList or PythonDictionary or PythonSet or PythonSlice or PythonRange or PythonIterator or PythonDecimal or PythonDateTime or PythonTime or PythonError or PythonToken or PythonProxyReference)
            return value;
        Type type = value.GetType();
        return type == typeof(object) ? throw new PythonConversionException("", "a plain object has no counterpart in Python") : PythonConversion.Of(type).ToAny(value, work);
    }

    public override object? From(object? value, ConversionWork work) => value is PythonIterator iterator ? iterator.Items : value;
}

internal sealed class NullableConverter<T> : PythonConverter<T?>
    where T : struct
{
    private readonly PythonConverter<T> inner = (PythonConverter<T>)PythonConversion.Of(typeof(T));

    public override object? To(T? value, ConversionWork work) => value is { } present ? inner.To(present, work) : null;

    public override T? From(object? value, ConversionWork work) => value is null ? null : inner.From(value, work);
}

/// <summary>An enumeration is its number.</summary>
internal sealed class EnumConverter<T> : PythonConverter<T>
    where T : struct, Enum
{
    private readonly PythonConverter number = PythonConversion.Of(Enum.GetUnderlyingType(typeof(T)));

    public override object? To(T value, ConversionWork work) => number.ToAny(Convert.ChangeType(value, Enum.GetUnderlyingType(typeof(T)), System.Globalization.CultureInfo.InvariantCulture), work);

    public override T From(object? value, ConversionWork work) => (T)Enum.ToObject(typeof(T), number.FromAny(value, work)!);
}
