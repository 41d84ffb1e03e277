using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ManyHands.Serialization;

/// <summary>
/// How values of one static type travel. Codecs are found once per type and never look at data to choose a type:
/// both sides know the type beforehand, so no payload can name one to load.
/// </summary>
internal abstract class Codec
{
    private static readonly ConcurrentDictionary<Type, Codec> Known = new();

    /// <summary>The codec for a type known only at run time: captured variables and call targets.</summary>
    public static Codec For(Type type) => Known.GetOrAdd(type, static type =>
    {
        if (type.IsByRef || type.IsPointer || type.IsFunctionPointer || type.IsByRefLike || type.ContainsGenericParameters)
            return new RefusingObjectCodec(type);
        FieldInfo instance = typeof(Codec<>).MakeGenericType(type).GetField(nameof(Codec<>.Instance), BindingFlags.Static | BindingFlags.Public)!;
        return (Codec)instance.GetValue(null)!;
    });

    /// <summary>Why no value of the type can travel; null if values can.</summary>
    public virtual string? WhyRefused => null;

    public abstract void WriteObject(PayloadWriter writer, object? value);

    public abstract object? ReadObject(ref PayloadReader reader);
}

/// <inheritdoc/>
internal abstract class Codec<T> : Codec
{
    public static readonly Codec<T> Instance = CodecSelection.Create<T>();

    /// <summary>Writes a value.</summary>
    /// <exception cref="UnsendableValueException">The value can't travel, or would arrive changed.</exception>
    public abstract void Write(PayloadWriter writer, T value);

    /// <summary>Reads a value back.</summary>
    /// <exception cref="InvalidPayloadException">The bytes aren't such a value.</exception>
    public abstract T Read(ref PayloadReader reader);

    public sealed override void WriteObject(PayloadWriter writer, object? value) => Write(writer, (T)value!);

    public sealed override object? ReadObject(ref PayloadReader reader) => Read(ref reader);
}

/// <summary>Chooses the codec of a type: a path of our own for what is one copy, MessagePack for everything else.</summary>
internal static class CodecSelection
{
    public static Codec<T> Create<T>()
    {
        Type type = typeof(T);
        if (type == typeof(NoResult))
            return (Codec<T>)(object)new NoResultCodec();
        if (type == typeof(string))
            return (Codec<T>)(object)new StringCodec();
        if (type == typeof(CancellationToken))
            return (Codec<T>)(object)new CancellationTokenCodec();

        // The commonest without reflection, and so that the ahead-of-time compiler sees them.
        if (type == typeof(int))
            return (Codec<T>)(object)new UnmanagedCodec<int>();
        if (type == typeof(long))
            return (Codec<T>)(object)new UnmanagedCodec<long>();
        if (type == typeof(double))
            return (Codec<T>)(object)new UnmanagedCodec<double>();
        if (type == typeof(bool))
            return (Codec<T>)(object)new UnmanagedCodec<bool>();
        if (BitPatterns.IsSingleValue(type))
            return Make<T>(typeof(UnmanagedCodec<>), type);
        if (type.IsSZArray && BitPatterns.IsSingleValue(type.GetElementType()!))
            return Make<T>(typeof(UnmanagedArrayCodec<>), type.GetElementType()!);
        if (type.IsGenericType && type.GetGenericArguments() is [Type element] && BitPatterns.IsSingleValue(element))
        {
            if (type.GetGenericTypeDefinition() == typeof(Memory<>))
                return Make<T>(typeof(MemoryCodec<>), element);
            if (type.GetGenericTypeDefinition() == typeof(ReadOnlyMemory<>))
                return Make<T>(typeof(ReadOnlyMemoryCodec<>), element);
        }

        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IProgress<>))
            return Make<T>(typeof(ProgressCodec<>), type.GetGenericArguments()[0]);
        if (SharedObjects.Is(type))
            return Make<T>(typeof(SharedObjectCodec<>), type);
        return new MessagePackCodec<T>();
    }

    private static Codec<T> Make<T>(Type definition, Type argument) =>
        (Codec<T>)Activator.CreateInstance(definition.MakeGenericType(argument))!;
}

/// <summary>A value that can't travel. The call's encoder adds which argument or captured variable it was.</summary>
internal sealed class UnsendableValueException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>For types that can't even be a type argument, such as pointers; met only as captured variables.</summary>
internal sealed class RefusingObjectCodec(Type type) : Codec
{
    public override string WhyRefused => $"'{type}' is an address of this process's own memory and means nothing in another; send the data it points to.";

    public override void WriteObject(PayloadWriter writer, object? value) => throw new UnsendableValueException(WhyRefused);

    public override object? ReadObject(ref PayloadReader reader) => throw new InvalidPayloadException($"'{type}' never travels.");
}

/// <summary>The result of a function that returns nothing.</summary>
internal readonly struct NoResult;

internal sealed class NoResultCodec : Codec<NoResult>
{
    public override void Write(PayloadWriter writer, NoResult value)
    {
    }

    public override NoResult Read(ref PayloadReader reader) => default;
}

internal sealed class UnmanagedCodec<T> : Codec<T>
{
    public override void Write(PayloadWriter writer, T value)
    {
        writer.WriteUnmanaged(value);
        if (BitPatterns<T>.HasPadding)
            writer.ClearPadding<T>(1);
    }

    public override T Read(ref PayloadReader reader) => reader.ReadUnmanaged<T>();
}

internal sealed class StringCodec : Codec<string?>
{
    public override void Write(PayloadWriter writer, string? value) => writer.WriteString(value);

    public override string? Read(ref PayloadReader reader) => reader.ReadString();
}

internal sealed class UnmanagedArrayCodec<T> : Codec<T[]?>
    where T : unmanaged
{
    public override void Write(PayloadWriter writer, T[]? value)
    {
        // An array of another element type may hide behind the static one: int[] is uint[] to the runtime.
        if (value is not null && value.GetType() != typeof(T[]))
            throw new UnsendableValueException($"the array is a {value.GetType()} but declared as {typeof(T[])}; declare what it is.");
        BlockOfUnmanaged.Write<T>(writer, value, value is null);
    }

    public override T[]? Read(ref PayloadReader reader) => BlockOfUnmanaged.Read<T>(ref reader);
}

internal sealed class MemoryCodec<T> : Codec<Memory<T>>
    where T : unmanaged
{
    public override void Write(PayloadWriter writer, Memory<T> value) => BlockOfUnmanaged.Write<T>(writer, value.Span, isNull: false);

    public override Memory<T> Read(ref PayloadReader reader) => BlockOfUnmanaged.Read<T>(ref reader);
}

internal sealed class ReadOnlyMemoryCodec<T> : Codec<ReadOnlyMemory<T>>
    where T : unmanaged
{
    public override void Write(PayloadWriter writer, ReadOnlyMemory<T> value) => BlockOfUnmanaged.Write(writer, value.Span, isNull: false);

    public override ReadOnlyMemory<T> Read(ref PayloadReader reader) => BlockOfUnmanaged.Read<T>(ref reader);
}

/// <summary>A count and the elements' bytes, in one copy. A count of -1 is null.</summary>
internal static class BlockOfUnmanaged
{
    public static void Write<T>(PayloadWriter writer, ReadOnlySpan<T> values, bool isNull)
        where T : unmanaged
    {
        writer.WriteUnmanaged(isNull ? -1 : values.Length);
        if ((long)values.Length * Unsafe.SizeOf<T>() > Array.MaxLength)
            throw new PayloadTooLargeException((long)values.Length * Unsafe.SizeOf<T>());
        writer.WriteBytes(MemoryMarshal.AsBytes(values));
        if (BitPatterns<T>.HasPadding)
            writer.ClearPadding<T>(values.Length);
    }

    public static T[]? Read<T>(ref PayloadReader reader)
        where T : unmanaged
    {
        int count = reader.ReadUnmanaged<int>();
        if (count == -1)
            return null;
        if (count < 0 || (long)count * Unsafe.SizeOf<T>() > reader.Remaining)
            throw InvalidPayloadException.BadLength(count, reader.Remaining);
        T[] values = GC.AllocateUninitializedArray<T>(count);
        Span<byte> bytes = MemoryMarshal.AsBytes(values.AsSpan());
        reader.ReadBytes(bytes.Length).CopyTo(bytes);
        return BitPatterns<T>.AreValues(bytes) ? values : throw InvalidPayloadException.BadBits(typeof(T));
    }
}

/// <summary>The token itself stays; on the other side stands the call's own token, which follows it.</summary>
internal sealed class CancellationTokenCodec : Codec<CancellationToken>
{
    public override void Write(PayloadWriter writer, CancellationToken value)
    {
        if (!value.CanBeCanceled && !value.IsCancellationRequested)
        {
            writer.WriteByte(0);
            return;
        }

        TransferContext context = writer.Context
            ?? throw new UnsendableValueException("a CancellationToken can't be a result; return a bool that says whether the work was cancelled.");
        context.AddToken(value);
        writer.WriteByte(1);
    }

    public override CancellationToken Read(ref PayloadReader reader) => reader.ReadByte() switch
    {
        0 => CancellationToken.None,
        1 when reader.Context is not null => reader.Context.Token,
        _ => throw new InvalidPayloadException("A cancellation token in a place where none can be."),
    };
}

/// <summary>The receiver stays with the caller; what the function reports travels back to it, in order.</summary>
internal sealed class ProgressCodec<T> : Codec<IProgress<T>?>
{
    public override void Write(PayloadWriter writer, IProgress<T>? value)
    {
        if (value is null)
        {
            writer.WriteUnmanaged(-1);
            return;
        }

        TransferContext context = writer.Context
            ?? throw new UnsendableValueException($"an IProgress<{typeof(T).Name}> can't be a result; it works as an argument only.");
        writer.WriteUnmanaged(context.AddProgress(value));
    }

    public override IProgress<T>? Read(ref PayloadReader reader)
    {
        int number = reader.ReadUnmanaged<int>();
        if (number == -1)
            return null;
        TransferContext context = reader.Context ?? throw new InvalidPayloadException("A progress receiver in a place where none can be.");
        return context.OpenProgress<T>(number);
    }
}
