using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>How values of a type are kept by managers and travel to them: as the type's codec writes them, and those that may be anything as Python writes plain data.</summary>
internal abstract class ItemFormat<T>
{
    public static readonly ItemFormat<T> Instance = typeof(T) == typeof(object) ? (ItemFormat<T>)(object)new PlainFormat() : new CodecFormat();

    /// <summary>What both sides call the type. Values have no names of members, so it tells too what the type is made of.</summary>
    public static string TypeName => typeof(T) == typeof(object) ? "object" : TypeLayout.NameOf(typeof(T));

    public abstract void Write(PayloadWriter writer, T value);

    public abstract T Read(ref PayloadReader reader);

    private sealed class CodecFormat : ItemFormat<T>
    {
        public override void Write(PayloadWriter writer, T value) => Codec<T>.Instance.Write(writer, value);

        public override T Read(ref PayloadReader reader) => Codec<T>.Instance.Read(ref reader);
    }

    // A pickle of plain values: what Python programs put in comes out as it went in, whoever takes it.
    private sealed class PlainFormat : ItemFormat<object?>
    {
        public override void Write(PayloadWriter writer, object? value)
        {
            try
            {
                PickleWriter.Write(writer, PythonConversion.ToPython(value));
            }
            catch (PythonConversionException problem)
            {
                throw new UnsendableValueException(ExceptionText.MessageOf(problem), problem);
            }
        }

        public override object? Read(ref PayloadReader reader)
        {
            try
            {
                return PythonConversion.FromPython<object?>(PickleReader.Read(reader.ReadBytes(reader.Remaining)));
            }
            catch (Exception problem) when (problem is InvalidPickleException or PythonConversionException)
            {
                throw new InvalidPayloadException(ExceptionText.MessageOf(problem), problem);
            }
        }
    }
}
