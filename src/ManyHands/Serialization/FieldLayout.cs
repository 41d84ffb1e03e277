using System.Reflection;
using System.Reflection.Emit;

namespace ManyHands.Serialization;

/// <summary>A field and where it is in a value.</summary>
internal readonly record struct PlacedField(FieldInfo Field, int Offset, int Size)
{
    public bool Overlaps(in PlacedField other) => Offset < other.Offset + other.Size && other.Offset < Offset + Size;
}

/// <summary>Where the runtime has put the fields of a struct. Nothing that can be asked says so, but code can be made that takes a field's address.</summary>
internal static class FieldLayout
{
    public static FieldInfo[] FieldsOf(Type type) => type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);

    public static PlacedField[] Of(Type type)
    {
        FieldInfo[] fields = FieldsOf(type);
        int[] numbers = new int[2 * fields.Length];
        DynamicMethod method = new("Layout", null, [typeof(int[])], typeof(FieldLayout).Module, skipVisibility: true);
        ILGenerator code = method.GetILGenerator();
        LocalBuilder value = code.DeclareLocal(type);
        for (int i = 0; i < fields.Length; i++)
        {
            code.Emit(OpCodes.Ldarg_0);
            code.Emit(OpCodes.Ldc_I4, 2 * i);
            code.Emit(OpCodes.Ldloca, value);
            code.Emit(OpCodes.Ldflda, fields[i]);
            code.Emit(OpCodes.Ldloca, value);
            code.Emit(OpCodes.Sub);
            code.Emit(OpCodes.Conv_I4);
            code.Emit(OpCodes.Stelem_I4);
            code.Emit(OpCodes.Ldarg_0);
            code.Emit(OpCodes.Ldc_I4, (2 * i) + 1);
            code.Emit(OpCodes.Sizeof, fields[i].FieldType);
            code.Emit(OpCodes.Stelem_I4);
        }

        code.Emit(OpCodes.Ret);
        method.CreateDelegate<Action<int[]>>()(numbers);
        return [.. fields.Select((field, i) => new PlacedField(field, numbers[2 * i], numbers[(2 * i) + 1]))];
    }

    public static int SizeOf(Type type)
    {
        DynamicMethod method = new("Size", typeof(int), null, typeof(FieldLayout).Module, skipVisibility: true);
        ILGenerator code = method.GetILGenerator();
        code.Emit(OpCodes.Sizeof, type);
        code.Emit(OpCodes.Ret);
        return method.CreateDelegate<Func<int>>()();
    }
}
