using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>What an object holds, between the bytes that the manager keeps and Python's values.</summary>
internal abstract class PythonItems
{
    /// <summary>Writes a value of Python's as the bytes that all users of the object read.</summary>
    /// <exception cref="PythonConversionException">It is no value of the object's type.</exception>
    public abstract void Write(PayloadWriter writer, object? value, string name);

    public object? ReadBlock(ref PayloadReader reader) => Read(reader.ReadMemory(reader.ReadCount(1)));

    /// <summary>Reads such bytes.</summary>
    /// <exception cref="PythonUnsendableException">It is a value that Python has no counterpart for.</exception>
    public object? Read(ReadOnlyMemory<byte> block)
    {
        try
        {
            return ReadValue(block);
        }
        catch (Exception problem) when (problem is PythonConversionException or InvalidPickleException or InvalidPayloadException)
        {
            throw new PythonUnsendableException(ExceptionText.MessageOf(problem));
        }
    }

    /// <summary>A value with its length before it, as operations have it.</summary>
    public void WriteBlock(PayloadWriter writer, object? value, string name)
    {
        int start = writer.Length;
        writer.WriteUnmanaged(0);
        Write(writer, value, name);
        writer.PatchInt32(start, writer.Length - start - sizeof(int));
    }

    protected abstract object? ReadValue(ReadOnlyMemory<byte> block);
}

/// <inheritdoc/>
internal sealed class PythonItems<T> : PythonItems
{
    public static readonly PythonItems Instance = typeof(T) == typeof(object) ? new PlainItems() : new PythonItems<T>();

    public override void Write(PayloadWriter writer, object? value, string name)
    {
        try
        {
            ItemFormat<T>.Instance.Write(writer, PythonConversion.FromPython<T>(value, name));
        }
        catch (UnsendableValueException problem)
        {
            throw new PythonConversionException(name, ExceptionText.MessageOf(problem), problem);
        }
    }

    protected override object? ReadValue(ReadOnlyMemory<byte> block)
    {
        PayloadReader reader = new(block);
        return PythonConversion.ToPython(ItemFormat<T>.Instance.Read(ref reader));
    }
}

/// <summary>Plain values of any kind: as Python has them, without a way round by .NET's.</summary>
internal sealed class PlainItems : PythonItems
{
    public override void Write(PayloadWriter writer, object? value, string name) => PickleWriter.Write(writer, value);

    protected override object? ReadValue(ReadOnlyMemory<byte> block) => PickleReader.Read(block.Span);
}
